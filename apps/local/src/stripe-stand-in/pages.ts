import type Stripe from 'stripe';
import { methodsOf } from './test-methods.js';

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem;color:#222}' +
  'aside{background:#fff3cd;border:1px solid #d9b84a;padding:.6rem 1rem;border-radius:6px;font-weight:600}' +
  'label{display:block;padding:.35rem 0}code{color:#555}button{font:inherit;padding:.5rem 1.2rem;margin:1rem .5rem 0 0}' +
  '.no{color:#a00}';

/** The hosted page of a Checkout session, on the LOCAL STAND-IN. It asks for a test method and never for a real one. */
export function checkoutPage(session: Stripe.Checkout.Session, refused?: string): string {
  const { mode, amount_total: amount, currency, payment_method_types: types } = session;
  const what =
    mode === 'setup'
      ? 'Save a payment method'
      : `Pay ${((amount ?? 0) / 100).toFixed(2)} ${(currency ?? '').toUpperCase()}`;
  const choices = methodsOf(types).map(
    ({ name, what: does }, place) =>
      `<label><input type="radio" name="payment_method" value="${escaped(name)}"${place === 0 ? ' checked' : ''}> ` +
      `${escaped(name)} <code>${escaped(does)}</code></label>`,
  );
  const cancel = session.cancel_url === null ? '' : `<a href="${escaped(session.cancel_url)}">Cancel and go back</a>`;
  return page(
    what,
    `${refused === undefined ? '' : `<p class="no" role="alert">${escaped(refused)} Choose another one.</p>`}` +
      `<form method="post"><fieldset><legend>Test method</legend>${choices.join('')}</fieldset>` +
      `<button type="submit">${mode === 'setup' ? 'Save' : 'Pay'}</button>${cancel}</form>`,
  );
}

export function authenticationPage(intentId: string): string {
  return page(
    'Authenticate',
    `<p>The bank of the payer asks whether <code>${escaped(intentId)}</code> is theirs.</p><form method="post">` +
      '<button name="succeed" value="true">Yes, it is</button><button name="succeed" value="false">No</button></form>',
  );
}

export function messagePage(title: string, text: string): string {
  return page(title, `<p>${escaped(text)}</p>`);
}

function page(title: string, body: string): string {
  return (
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
    `<title>${escaped(title)} · local Stripe stand-in</title><style>${STYLE}</style>` +
    '<aside>Local stand-in, not Stripe. No money moves; never enter a real card or bank account anywhere here.</aside>' +
    `<h1>${escaped(title)}</h1>${body}</html>`
  );
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
