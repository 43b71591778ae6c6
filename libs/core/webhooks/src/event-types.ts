import { z } from 'zod';

/** What a type of event tells and how. `version` is that of the payload: it grows when a receiver has to read it differently. */
interface EventKind {
  readonly version: number;
  /** One sentence for the catalogue. */
  readonly about: string;
  readonly data: z.ZodType;
  /** The field of `data` that names what it happened to. */
  readonly of: string;
  readonly example: Readonly<Record<string, unknown>>;
}

/** Keeps the exact shape of a payload, and sees that its example is one. */
const kind = <Shape extends z.ZodRawShape>(
  of: string & keyof Shape,
  about: string,
  data: z.ZodObject<Shape>,
  example: z.input<z.ZodObject<Shape>>,
) => ({ version: 1, of, about, data, example }) satisfies EventKind;

const id = z.string().min(1);
const atomic = z.string().regex(/^-?\d+$/);
const moment = z.iso.datetime();
const whole = z.int().min(0);

const ofAccount = { account: id };
const ofValue = { ...ofAccount, asset: z.string().min(1).describe('Asset id; amounts are in its atomic units.') };
const ofStatement = {
  ...ofValue,
  statement: id,
  number: z.string().min(1).describe('As printed on it; without gaps per provider.'),
};

const ACCOUNT = 'acct_0193f0c2a4b27c3d8e9f0a1b2c3d4e5f';
const ASSET = 'eip155:8453/erc20:0x833589fcd6edb6e08f4c7c32d4f71b54bda02913';
const exampleId = (prefix: string): string => `${prefix}_0193f0c2a4b27c3d8e9f0a1b2c3d4e60`;
const VALUE = { account: ACCOUNT, asset: ASSET };
const STATEMENT = { account: ACCOUNT, asset: 'usd', statement: exampleId('stm'), number: 'INV-000042' };

const collection = z.strictObject({
  ...ofValue,
  statement: id,
  collection: id,
  rail: z.string().describe('usdc, card or bank.'),
  amount: atomic,
  reason: z.string().optional().describe('Why, as the rail names it.'),
  retryAt: moment.optional().describe('When it is tried again; absent: it is not.'),
  url: z.string().optional().describe('Where the agent’s people complete it.'),
});
const COLLECTION = {
  account: ACCOUNT,
  asset: 'usd',
  statement: STATEMENT.statement,
  collection: exampleId('col'),
  rail: 'card',
  amount: '4210',
};

const paymentMethod = z.strictObject({
  ...ofAccount,
  paymentMethod: id,
  kind: z.string().describe('card, us_bank_account or sepa_debit.'),
  label: z.string().optional().describe('What people know it by, e.g. its last four digits.'),
  reason: z.string().optional(),
});
const METHOD = { account: ACCOUNT, paymentMethod: exampleId('pm'), kind: 'card', label: 'visa 4242' };

const dispute = z.strictObject({
  ...ofValue,
  dispute: id,
  statement: id.optional(),
  amount: atomic,
  reason: z.string().optional(),
  respondBy: moment.optional(),
});
const DISPUTE = { account: ACCOUNT, asset: 'usd', dispute: exampleId('dsp'), amount: '4210', reason: 'fraudulent' };

const refund = z.strictObject({
  ...ofValue,
  refund: id,
  amount: atomic,
  statement: id.optional(),
  transaction: z.string().optional().describe('Hash of the transfer, of one on a chain.'),
  reason: z.string().optional(),
});
const REFUND = { ...VALUE, refund: exampleId('rfd'), amount: '2500000' };

const standing = z.strictObject({ ...ofAccount, reason: z.string().describe('In a word, e.g. statement_past_due.') });

const topUp = z.strictObject({
  ...ofValue,
  topUp: id,
  amount: atomic,
  payment: id.optional().describe('What bought it, where that was a payment of ours.'),
  grant: id.optional().describe('Where the value is.'),
  reason: z.string().optional(),
});
const TOP_UP = { ...VALUE, topUp: exampleId('top'), amount: '5000000', payment: exampleId('pay') };

/** Everything providers can be told, by type. */
export const EVENT_KINDS = {
  'balance.low': kind(
    'alert',
    'A balance fell to a threshold set for it.',
    z.strictObject({ ...ofValue, alert: id, threshold: atomic, balance: atomic }),
    { ...VALUE, alert: exampleId('alt'), threshold: '1000000', balance: '980000' },
  ),
  'limit.crossed': kind(
    'alert',
    'Spending reached a percentage of a limit.',
    z.strictObject({
      ...ofValue,
      alert: id,
      limit: id,
      percent: whole,
      threshold: atomic,
      spent: atomic,
      windowStart: moment,
    }),
    {
      ...VALUE,
      alert: exampleId('alt'),
      limit: exampleId('lim'),
      percent: 80,
      threshold: '8000000',
      spent: '8040000',
      windowStart: '2026-11-01T00:00:00.000Z',
    },
  ),
  'topup.due': kind(
    'alert',
    'A balance is low and more is to be bought, as the account has set.',
    z.strictObject({ ...ofValue, alert: id, amount: atomic }),
    { ...VALUE, alert: exampleId('alt'), amount: '5000000' },
  ),
  'topup.credited': kind('topUp', 'Balance was bought, and its payment is final.', topUp, {
    ...TOP_UP,
    grant: exampleId('grt'),
  }),
  'topup.failed': kind('topUp', 'A payment for balance did not happen.', topUp, { ...TOP_UP, reason: 'reverted' }),
  'grant.expired': kind(
    'grant',
    'Value given to an account expired.',
    z.strictObject({ ...ofValue, grant: id, amount: atomic }),
    { ...VALUE, grant: exampleId('grt'), amount: '150000' },
  ),
  'statement.issued': kind(
    'statement',
    'A period was closed and its statement issued.',
    z.strictObject({ ...ofStatement, total: atomic, periodStart: moment, periodEnd: moment, dueAt: moment.optional() }),
    {
      ...STATEMENT,
      total: '4210',
      periodStart: '2026-11-01T00:00:00.000Z',
      periodEnd: '2026-12-01T00:00:00.000Z',
      dueAt: '2026-12-15T00:00:00.000Z',
    },
  ),
  'statement.paid': kind(
    'statement',
    'Nothing is due on a statement any more.',
    z.strictObject({ ...ofStatement, total: atomic, rail: z.string().optional() }),
    { ...STATEMENT, total: '4210', rail: 'card' },
  ),
  'statement.past_due': kind(
    'statement',
    'A statement was not paid in time.',
    z.strictObject({ ...ofStatement, due: atomic, dueAt: moment }),
    { ...STATEMENT, due: '4210', dueAt: '2026-12-15T00:00:00.000Z' },
  ),
  'statement.uncollectible': kind(
    'statement',
    'Collecting a statement was given up.',
    z.strictObject({ ...ofStatement, due: atomic, reason: z.string().optional() }),
    { ...STATEMENT, due: '4210', reason: 'attempts_exhausted' },
  ),
  'collection.failed': kind('collection', 'An attempt to collect a statement failed.', collection, {
    ...COLLECTION,
    reason: 'insufficient_funds',
    retryAt: '2026-12-18T09:00:00.000Z',
  }),
  'collection.requires_action': kind(
    'collection',
    'The holder of a payment method has to confirm a collection.',
    collection,
    {
      ...COLLECTION,
      url: 'https://pay.example.com/confirm',
    },
  ),
  'payment_method.attached': kind(
    'paymentMethod',
    'An account can be charged by a further method.',
    paymentMethod,
    METHOD,
  ),
  'payment_method.dead': kind('paymentMethod', 'A payment method cannot be charged any more.', paymentMethod, {
    ...METHOD,
    reason: 'mandate_revoked',
  }),
  'dispute.opened': kind('dispute', 'A holder disputes a charge; the value is withheld meanwhile.', dispute, {
    ...DISPUTE,
    respondBy: '2026-12-24T00:00:00.000Z',
  }),
  'dispute.won': kind('dispute', 'A dispute was decided for the provider.', dispute, DISPUTE),
  'dispute.lost': kind('dispute', 'A dispute was decided for the holder.', dispute, DISPUTE),
  'refund.sent': kind('refund', 'Value went back to an account.', refund, {
    ...REFUND,
    transaction: `0x${'4d'.repeat(32)}`,
  }),
  'refund.failed': kind('refund', 'Value that was to go back did not arrive.', refund, {
    ...REFUND,
    reason: 'reverted',
  }),
  'account.restricted': kind('account', 'An account can spend prepaid value only.', standing, {
    account: ACCOUNT,
    reason: 'statement_past_due',
  }),
  'account.suspended': kind('account', 'An account can spend nothing.', standing, {
    account: ACCOUNT,
    reason: 'dispute_lost',
  }),
  'account.restored': kind('account', 'An account can spend as before.', standing, {
    account: ACCOUNT,
    reason: 'statement_paid',
  }),
  'endpoint.test': kind(
    'endpoint',
    'Somebody asked for a test of an endpoint. Sent to that one, whatever it wants.',
    z.strictObject({ endpoint: id }),
    { endpoint: exampleId('whe') },
  ),
};

export type EventType = keyof typeof EVENT_KINDS;

/** What an event of a type carries, as JSON: amounts and instants are text. */
export type DataOf<Type extends EventType> = z.input<(typeof EVENT_KINDS)[Type]['data']>;

export const isEventType = (text: string): text is EventType => Object.hasOwn(EVENT_KINDS, text);

export const EVENT_TYPES: readonly EventType[] = Object.keys(EVENT_KINDS).filter(isEventType);

/** What any type says of itself, for those who need not know which. */
export const eventKind = (type: EventType): EventKind => EVENT_KINDS[type];
