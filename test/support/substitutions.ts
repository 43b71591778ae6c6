import type { Dice } from '../model/dice.js';
import {
  highSignature,
  otherSignature,
  respelled,
  shortSignature,
  spoiltText,
  zeroBasedSignature,
} from './signature-forms.js';

// How a payment is presented for something it was not signed for, or in other bytes.

/** What is asked for. The shops sell what `x-meter` and `x-quantity` say, so that a price hangs on no other part of a request. */
export interface Asked {
  readonly shop: 'ours' | 'twin' | 'other';
  readonly method: string;
  readonly path: string;
  readonly body: string | undefined;
  readonly meter: string;
  readonly quantity: string;
}

export type Version = 1 | 2;

export interface Attempt {
  readonly asked: Asked;
  readonly version: Version;
  /** The payment as JSON, before it is made a header. */
  readonly payment: unknown;
  /** Makes the JSON text. */
  readonly write: (payment: unknown) => string;
  /** Makes the header of the JSON text in base64. */
  readonly spell: (text: string) => string;
  /** What was done to it. */
  readonly changes: readonly string[];
}

/** What an attacker has at hand besides the payment. */
export interface Loot {
  /** Another offer of the same shop, for something dearer: genuine, its seal included. */
  readonly dearOffer: Readonly<Record<string, unknown>>;
  /** An offer of another provider for the very same request. */
  readonly foreignOffer: Readonly<Record<string, unknown>>;
  /** Signatures of the same payer for the same message on another chain, and for another token. */
  readonly otherChain: string;
  readonly otherToken: string;
  readonly stranger: string;
}

type Change = (attempt: Attempt, dice: Dice, loot: Loot) => Attempt;

/** The value with what lies at `path` replaced. A path that is not there is made. */
export function changed(value: unknown, path: readonly string[], change: (old: unknown) => unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return change(value);
  const fields: Record<string, unknown> = typeof value === 'object' && value !== null ? { ...value } : {};
  const after = changed(fields[key], rest, change);
  if (after === undefined) delete fields[key];
  else fields[key] = after;
  return fields;
}

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Object.entries(value).find(([key]) => key === name)?.[1] : undefined;

const to = (value: unknown) => (): unknown => value;

const ask =
  (change: (asked: Asked, dice: Dice) => Partial<Asked>): Change =>
  (attempt, dice) => ({ ...attempt, asked: { ...attempt.asked, ...change(attempt.asked, dice) } });

const pay =
  (path: readonly string[], change: (old: unknown, dice: Dice, loot: Loot) => unknown): Change =>
  (attempt, dice, loot) => ({
    ...attempt,
    payment: changed(attempt.payment, path, (old) => change(old, dice, loot)),
  });

const signatureAs = (form: (signature: string, dice: Dice) => string): Change =>
  pay(['payload', 'signature'], (old, dice) => form(String(old), dice));

const flip = (text: string, dice: Dice): string => {
  const at = dice.between(2, text.length - 1);
  return text.slice(0, at) + (text[at] === '0' ? '1' : '0') + text.slice(at + 1);
};

const plusOne = (old: unknown): string => String(BigInt(String(old)) + 1n);

/** Another request than the one the payment was signed for. */
const REQUESTS: Readonly<Record<string, Change>> = {
  method: ask((_, dice) => ({ method: dice.of(['DELETE', 'PATCH', 'OPTIONS', 'HEAD']) })),
  path: ask(({ path }, dice) => ({
    path: path.replace('/things/', dice.of(['/dear/', '/Things/', '//things/', '/'])),
  })),
  segment: ask(({ path }, dice) => ({ path: path.replace('?', dice.of(['/?', '0?', '%2F?', '/all?', ';v=2?'])) })),
  query: ask(({ path }, dice) => ({ path: path + dice.of(['1', '&all=true', '&q=1', '%00', '+', '&']) })),
  'no query': ask(({ path }) => ({ path: path.split('?')[0] ?? path })),
  body: ask(({ body, method }, dice) => ({
    method: method === 'GET' ? 'POST' : method,
    body: dice.of([`${body ?? ''} `, `${body ?? ''}\n`, '{"job":"a dearer one"}', `x${body ?? ''}`]),
  })),
  'no body': ask(({ body, method }) => (body === undefined ? { method: 'DELETE' } : { body: undefined, method })),
  meter: ask(({ meter }, dice) => ({
    meter: meter === 'api.calls' ? dice.of(['dear.calls', 'compute.seconds']) : 'api.calls',
  })),
  quantity: ask(({ quantity }, dice) => ({ quantity: dice.of([`${quantity}1`, '1000', '0.5', '3']) })),
  'dear thing': ask(() => ({ meter: 'dear.calls', path: '/dear/1?q=1' })),
  'provider, same payee': ask(() => ({ shop: 'twin' })),
  'provider, other payee': ask(() => ({ shop: 'other' })),
};

/** Other terms than those that were signed, while the request is the one that was paid for. Version 2 only: 1 echoes none. */
export const TERMS: Readonly<Record<string, Change>> = {
  network: pay(['accepted', 'network'], (_, dice) =>
    dice.of(['eip155:8453', 'eip155:1', 'eip155:084532', 'base-sepolia']),
  ),
  asset: pay(['accepted', 'asset'], (old, dice) => flip(String(old), dice)),
  payTo: pay(['accepted', 'payTo'], (old, dice) => flip(String(old), dice)),
  amount: pay(['accepted', 'amount'], (old, dice) => dice.of([plusOne(old), '1', '0', `0${String(old)}`])),
  timeout: pay(['accepted', 'maxTimeoutSeconds'], (_, dice) => dice.of([301, 86_400, 0.5])),
  scheme: pay(['accepted', 'scheme'], (_, dice) => dice.of(['upto', 'Exact', 'batch-settlement', 'exact '])),
  'price version': pay(['accepted', 'extra', 'priceVersion'], (old, dice) => flip(String(old), dice)),
  'token name': pay(['accepted', 'extra', 'name'], to('USD Coin')),
  'token version': pay(['accepted', 'extra', 'version'], to('1')),
  'added term': pay(['accepted', 'extra', 'paymentFlow'], to('upfront')),
  'no terms': pay(['accepted', 'extra'], to(undefined)),
  'no seal': pay(['accepted', 'extra', 'quote'], to(undefined)),
  'spoilt seal': pay(['accepted', 'extra', 'quote'], (old, dice) => {
    const seal = String(old);
    return dice.of([
      flip(seal, dice),
      seal.slice(0, -1),
      `${seal}=`,
      `${seal}.`,
      seal.split('.')[0] ?? '',
      '.',
      `${seal}A`,
    ]);
  }),
  'seal of a dear offer': pay(['accepted', 'extra', 'quote'], (_, __, { dearOffer }) => sealOf(dearOffer)),
  'seal of another provider': pay(['accepted', 'extra', 'quote'], (_, __, { foreignOffer }) => sealOf(foreignOffer)),
  'dear offer': pay(['accepted'], (_, __, { dearOffer }) => dearOffer),
  'offer of another provider': pay(['accepted'], (_, __, { foreignOffer }) => foreignOffer),
};

const sealOf = (offer: unknown): unknown => field(field(offer, 'extra'), 'quote');

const authorization = (name: string, change: (old: unknown, dice: Dice) => unknown): Change =>
  pay(['payload', 'authorization', name], change);

/** Another message than the payer signed, or not its signature, or not in the one form that the token takes. */
export const SIGNED: Readonly<Record<string, Change>> = {
  account: authorization('from', (old, dice) => flip(String(old), dice)),
  payee: authorization('to', (old, dice) => flip(String(old), dice)),
  value: authorization('value', (old, dice) => dice.of([plusOne(old), '1000000', '1', '0'])),
  'later end': authorization('validBefore', plusOne),
  'other start': authorization('validAfter', plusOne),
  nonce: authorization('nonce', (old, dice) => flip(String(old), dice)),
  'signed for another chain': pay(['payload', 'signature'], (_, __, { otherChain }) => otherChain),
  'signed for another token': pay(['payload', 'signature'], (_, __, { otherToken }) => otherToken),
  'signed by another': pay(['payload', 'signature'], (_, __, { stranger }) => stranger),
  'high s': signatureAs(highSignature),
  'v of 0 or 1': signatureAs(zeroBasedSignature),
  'other v': signatureAs(otherSignature),
  compact: signatureAs(shortSignature),
  'padded signature': signatureAs((signature, dice) => signature + '00'.repeat(dice.between(1, 40))),
  'wrapped signature': signatureAs((signature) => `${signature}${'6492'.repeat(16)}`),
  'prefix of signature': signatureAs((signature, dice) =>
    dice.of([signature.slice(2), `0X${signature.slice(2)}`, '0x']),
  ),
};

/** Texts that are not the canonical form of any header. */
const SPOILT: Readonly<Record<string, Change>> = {
  'base64 text': (attempt, dice) => ({ ...attempt, spell: (text) => spoiltText(attempt.spell(text), dice) }),
  'doubled key': (attempt) => ({
    ...attempt,
    write: (payment) => attempt.write(payment).replace('{', '{"x402Version":1,"x402Version":2,'),
  }),
  'other version number': (attempt, dice) => ({
    ...attempt,
    payment: changed(attempt.payment, ['x402Version'], to(dice.of<unknown>([3, '2', 0, null]))),
  }),
  'header of the other version': (attempt) => ({ ...attempt, version: attempt.version === 1 ? 2 : 1 }),
};

/** Version 1 names its network in its own place. */
const TERMS_OF_ONE: Readonly<Record<string, Change>> = {
  'network name': pay(['network'], (_, dice) =>
    dice.of(['base', 'sepolia', 'eip155:84532', 'Base-Sepolia', 'constructor']),
  ),
  'scheme name': pay(['scheme'], (_, dice) => dice.of(['upto', 'EXACT', 'batch-settlement'])),
};

/** The same payment in other bytes: the same payment still. */
const FORMS: Readonly<Record<string, Change>> = {
  'as version 1': (attempt) => ({
    ...attempt,
    version: 1,
    payment: { x402Version: 1, scheme: 'exact', network: 'base-sepolia', payload: field(attempt.payment, 'payload') },
  }),
  'order of keys': (attempt) => ({ ...attempt, payment: reversed(attempt.payment) }),
  'white space': (attempt, dice) => ({
    ...attempt,
    write: (payment) => JSON.stringify(payment, undefined, dice.between(1, 3)),
  }),
  escapes: (attempt) => ({
    ...attempt,
    write: (payment) => attempt.write(payment).replace('"payload"', '"\\u0070ayload"'),
  }),
  'case of hex': (attempt, dice) => ({
    ...attempt,
    payment: ['from', 'to', 'nonce'].reduce(
      (payment, field) => changed(payment, ['payload', 'authorization', field], (old) => respelled(String(old), dice)),
      changed(attempt.payment, ['payload', 'signature'], (old) => respelled(String(old), dice)),
    ),
  }),
  'fields nobody knows': (attempt) => ({
    ...attempt,
    payment: changed(attempt.payment, ['payload', 'authorization', 'resource'], to('https://api.example.com/dear')),
  }),
  'resource it names': (attempt) => ({
    ...attempt,
    payment: changed(attempt.payment, ['resource'], to({ url: 'https://api.example.com/dear' })),
  }),
};

function reversed(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]) => [key, reversed(inner)]),
  );
}

/** Applies one change of a table, not one that was applied before. */
export function apply(table: Readonly<Record<string, Change>>, attempt: Attempt, dice: Dice, loot: Loot): Attempt {
  const names = Object.keys(table).filter((name) => !attempt.changes.includes(name));
  const name = names[dice.below(names.length)] ?? '';
  const after = table[name]?.(attempt, dice, loot) ?? attempt;
  return { ...after, changes: [...attempt.changes, name] };
}

/** The same payment for the same request, in other bytes. */
export function disguise(attempt: Attempt, dice: Dice, loot: Loot): Attempt {
  const once = apply(FORMS, attempt, dice, loot);
  return dice.chance(0.3) ? apply(FORMS, once, dice, loot) : once;
}

/** One to three things swapped, in the payment or in the request or in both; each kind once, so that none undoes another. */
export function substitute(genuine: Attempt, dice: Dice, loot: Loot): Attempt {
  const start = dice.chance(0.3) ? disguise(genuine, dice, loot) : genuine;
  const kinds = [REQUESTS, start.version === 2 ? TERMS : TERMS_OF_ONE, SIGNED, SPOILT] as const;
  const first = dice.below(kinds.length);
  const several = dice.chance(0.35) ? dice.between(1, 2) : 0;
  let attempt = start;
  for (let i = 0; i <= several; i += 1) {
    attempt = apply(kinds[(first + i) % kinds.length] ?? REQUESTS, attempt, dice, loot);
  }
  return attempt;
}

/**
 * Whether the attempt is a purchase in its own right. The signature covers an amount and a payee, and no resource: until the
 * authorization is claimed it fits every request of that price and payee, in version 1 by itself and in version 2 with a
 * genuine offer for that request.
 */
export function fitsBoth(genuine: Attempt, attempt: Attempt): boolean {
  const { meter, quantity, shop } = attempt.asked;
  if (meter !== genuine.asked.meter || quantity !== genuine.asked.quantity || shop === 'other') return false;
  const swapped = attempt.changes.filter((name) => !(name in REQUESTS) && !(name in FORMS));
  if (attempt.version === 1) return swapped.length === 0;
  return shop === 'twin' && swapped.every((name) => name === 'offer of another provider') && swapped.length > 0;
}

/** The header of an attempt. */
export function headerOf({ version, payment, write, spell }: Attempt): Record<string, string> {
  return { [version === 2 ? 'PAYMENT-SIGNATURE' : 'X-PAYMENT']: spell(write(payment)) };
}
