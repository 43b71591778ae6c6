import type { HeaderReader } from './agent-proof.js';
import { decodeText, encodeText } from './base64.js';
import type { WireReply } from './contract.js';
import { amountInWords, networkName } from './known-assets.js';
import { PAGE_STYLE } from './page-style.js';
import { takeHeader } from './reply-headers.js';

/** Somebody looks at a priced URL with a browser; scripts and agents do not ask for a page. */
export const isBrowser = ({ header }: { readonly header: HeaderReader }): boolean =>
  header('accept')?.includes('text/html') === true && header('user-agent')?.includes('Mozilla') === true;

/** A challenge may be given many times; its page is made once. */
const pages = new WeakMap<WireReply, WireReply>();

/**
 * The same challenge with a page that people can read; an answer that is no challenge stays as it is. `url` is what was asked for:
 * a challenge names its resource without the query.
 */
export function browserReply(reply: WireReply, url: string): WireReply {
  if (reply.status !== 402) return reply;
  const known = pages.get(reply);
  if (known !== undefined) return known;
  const challenge = challengeIn(reply);
  if (challenge === undefined) return reply;
  const { rest } = takeHeader(reply.headers, 'content-type');
  const headers = { ...rest, 'content-type': 'text/html; charset=utf-8', 'content-security-policy': POLICY };
  const page = { ...reply, headers, body: encodeText(pageOf(challenge, url)) };
  pages.set(reply, page);
  return page;
}

/** The page brings all it needs, and nothing else may run or load in it. */
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

interface Offer {
  readonly scheme: string;
  readonly network: string;
  readonly price: string;
  readonly payTo: string;
}

interface Challenge {
  readonly description: string | undefined;
  readonly error: string | undefined;
  readonly offers: readonly Offer[];
}

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null;

const textIn = (object: Json, name: string): string | undefined => {
  const value = object[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
};

/** What the header PAYMENT-REQUIRED says, as far as people are told. */
function challengeIn({ headers }: WireReply): Challenge | undefined {
  try {
    const said: unknown = JSON.parse(decodeText(takeHeader(headers, 'payment-required').value ?? ''));
    if (!isObject(said) || !isObject(said.resource)) return undefined;
    const accepts: readonly unknown[] = Array.isArray(said.accepts) ? said.accepts : [];
    return {
      description: textIn(said.resource, 'description'),
      error: textIn(said, 'error'),
      offers: accepts.filter(isObject).map(offerIn),
    };
  } catch {
    return undefined; // Not a challenge that we can read: agents may.
  }
}

function offerIn(offer: Json): Offer {
  const network = textIn(offer, 'network') ?? '';
  return {
    scheme: textIn(offer, 'scheme') ?? '',
    network: networkName(network),
    price: amountInWords(offer, network),
    payTo: textIn(offer, 'payTo') ?? '',
  };
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '');

/** In the words of the schemes; another one is named as it is. */
const WAYS: Readonly<Record<string, string>> = {
  exact: 'One payment per request',
  upto: 'At most this much per request',
  'batch-settlement': 'A payment channel, at most this much per request',
  prepaid: 'A prepaid balance',
};

function offerHtml({ scheme, network, price, payTo }: Offer): string {
  const recipient = payTo === '' ? '' : `<dt>Paid to</dt><dd><code>${escaped(payTo)}</code></dd>`;
  return `<li><p class="price">${escaped(price)}</p><dl><dt>How</dt><dd>${escaped(WAYS[scheme] ?? scheme)} <code>${escaped(scheme)}</code></dd><dt>Network</dt><dd>${escaped(network)}</dd>${recipient}</dl></li>`;
}

function pageOf({ description, error, offers }: Challenge, url: string): string {
  const cheapest = offers[0]?.price;
  const title = description ?? 'This page is sold by the request';
  const refused = error === undefined ? '' : `<p class="error">${escaped(error)}</p>`;
  const list = offers.length === 0 ? '<p>It is open to those who sign in with a wallet.</p>' : '';
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>402 · ${escaped(title)}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<main>
<p class="status">402 · Payment required</p>
<h1>${escaped(title)}</h1>
<p class="url"><code>${escaped(url)}</code></p>
${refused}
<h2>${cheapest === undefined ? 'How it is opened' : 'What it costs'}</h2>
${list}<ul>${offers.map(offerHtml).join('')}</ul>
<h2>How to pay</h2>
<p>Programs pay here, with no account and no card: they answer the terms in the header <code>PAYMENT-REQUIRED</code> with a signed payment in the header <code>PAYMENT-SIGNATURE</code>, and get their receipt in <code>PAYMENT-RESPONSE</code>. The protocol is x402, and public clients speak it:</p>
<pre><code>${escaped(exampleFor(url))}</code></pre>
<p class="note">Ask without a browser to see the terms: <code>curl -i ${escaped(shellQuoted(url))}</code></p>
</main>
</body>
</html>
`;
}

const exampleFor = (url: string): string => `// npm install @x402/fetch @x402/evm viem
import { wrapFetchWithPaymentFromConfig } from '@x402/fetch';
import { ExactEvmScheme } from '@x402/evm';
import { privateKeyToAccount } from 'viem/accounts';

const wallet = privateKeyToAccount(process.env.WALLET_KEY);
const pay = wrapFetchWithPaymentFromConfig(fetch, {
  schemes: [{ network: 'eip155:*', client: new ExactEvmScheme(wallet) }],
});
const answer = await pay(${JSON.stringify(url)});`;

const shellQuoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
