import type pg from 'pg';
import type Stripe from 'stripe';
import type { Books, StripeStandIn } from '../../apps/local/src/stripe-stand-in/stripe-stand-in.js';
import { checkoutFaults, eventFaults, returnFaults, type Same } from './deferred-returns.js';

// A checker that shares no code with the service: it reads the tables and the books of the local stand-in for Stripe by itself, and
// compares them with each other and with what a campaign wrote down of what it issued.

/** A statement as it was issued. */
export interface Issued {
  readonly statement: string;
  readonly account: string;
  readonly asset: string;
  readonly due: bigint;
}

interface StatementRow {
  readonly id: string;
  readonly account: string;
  readonly asset: string;
  readonly state: string;
  readonly due: string;
  readonly paid: string;
  readonly credited: string;
  readonly written_off: string;
  readonly collection: string | null;
  readonly rests: boolean;
}

interface AttemptRow {
  readonly id: string;
  readonly statement: string;
  readonly state: string;
  readonly intent: string | null;
  readonly cents: string;
}

interface Balance {
  readonly code: string;
  readonly asset: string;
  readonly account: string | null;
  readonly balance: bigint;
}

const USD = 'iso4217:USD';
const unitsOfACent = (asset: string): bigint => (asset === USD ? 1n : 10_000n);
const idOf = (of: string | { readonly id: string } | null | undefined): string =>
  typeof of === 'string' ? of : (of?.id ?? '');
const sum = (values: readonly bigint[]): bigint => values.reduce((total, value) => total + value, 0n);

/** What of a statement Stripe took and did not have to give back: at most one payment at any time. */
function successesOf(books: Books, statement: string): Stripe.Charge[] {
  const intents = new Map(books.paymentIntents.map((intent) => [intent.id, intent]));
  const lost = new Set(books.disputes.filter(({ status }) => status === 'lost').map(({ charge }) => idOf(charge)));
  return books.charges.filter(
    ({ id, status, captured, payment_intent: intent }) =>
      status === 'succeeded' &&
      captured &&
      intents.get(idOf(intent))?.metadata.statement === statement &&
      !lost.has(id),
  );
}

/** Cents that were taken for a statement, less what was lost of them. What was given back of it stays paid. */
function takenOf(books: Books, statement: string): bigint {
  const intents = new Set(
    books.paymentIntents.filter(({ metadata }) => metadata.statement === statement).map(({ id }) => id),
  );
  const charges = books.charges.filter(
    (charge) => charge.status === 'succeeded' && intents.has(idOf(charge.payment_intent)),
  );
  const lost = books.disputes.filter(({ status, payment_intent: of }) => status === 'lost' && intents.has(idOf(of)));
  return sum(charges.map((one) => BigInt(one.amount_captured))) - sum(lost.map((one) => BigInt(one.amount)));
}

/** Balances of the ledger, debits positive, added up from the transfers. */
export async function ledgerOf(owner: pg.Pool): Promise<Balance[]> {
  const { rows } = await owner.query<{ code: string; asset: string; account: string | null; balance: string }>(
    `SELECT a.code, a.asset, a.account_id AS account, sum(m.amount)::text AS balance
     FROM ledger_accounts a
       JOIN (SELECT debit_id AS id, amount FROM transfers UNION ALL SELECT credit_id, -amount FROM transfers) m ON m.id = a.id
     GROUP BY 1, 2, 3`,
  );
  return rows.map((row) => ({ ...row, balance: BigInt(row.balance) }));
}

/** Everything that does not hold, in words. Lawful only once all is imported; `issued`: all that was. */
export async function faultsAgainstStripe(
  owner: pg.Pool,
  standIn: StripeStandIn,
  issued: readonly Issued[],
): Promise<string[]> {
  const books = standIn.books();
  const ledger = await ledgerOf(owner);
  const faults: string[] = [];
  const same = (what: string, ours: bigint | string, theirs: bigint | string): void => {
    if (ours !== theirs) faults.push(`${what}: ${ours} here, ${theirs} there`);
  };
  const balance = (codes: readonly string[], of: { readonly asset?: string; readonly account?: string } = {}): bigint =>
    sum(
      ledger
        .filter(
          ({ code, asset, account }) =>
            codes.includes(code) && asset === (of.asset ?? asset) && account === (of.account ?? account),
        )
        .map((row) => row.balance),
    );

  const { rows: statements } = await owner.query<StatementRow>(
    `SELECT s.id, s.account_id AS account, s.asset, s.state, s.due::text, s.paid::text, s.credited::text, s.written_off::text,
       c.state AS collection, c.next_run_at IS NULL AS rests
     FROM statements s LEFT JOIN collections c ON c.statement_id = s.id`,
  );
  const { rows: attempts } = await owner.query<AttemptRow>(
    'SELECT id, statement_id AS statement, state, payment_intent AS intent, cents::text FROM collection_attempts',
  );
  statementFaults(books, statements, attempts, issued, faults, same);
  attemptFaults(books, attempts, faults, same);

  // The ledger by itself.
  for (const asset of new Set(ledger.map((row) => row.asset)))
    same(`trial balance in ${asset}`, sum(ledger.filter((row) => row.asset === asset).map((row) => row.balance)), 0n);

  // Receivables, statement by statement and line by line.
  const { rows: lines } = await owner.query<{ account: string; asset: string; owes: string }>(
    `SELECT w.account_id AS account, w.asset, (w.owed + l.due)::text AS owes
     FROM wallets w JOIN credit_lines l USING (account_id, asset)`,
  );
  for (const { account, asset, owes } of lines) {
    const of = { account, asset };
    same(`owed by ${account}`, BigInt(owes), balance(['1110', '1100', '1120'], of));
    const open = statements
      .filter((one) => one.account === account && one.asset === asset)
      .map(
        ({ due, paid, credited, written_off: given }) => BigInt(due) - BigInt(paid) - BigInt(credited) - BigInt(given),
      );
    same(`open statements of ${account}`, sum(open), balance(['1100', '1120'], of));
  }

  // Stripe's own books: movement by movement, and in sum.
  const { rows: movements } = await owner.query<{ id: string; net: string; owned: boolean; payout: boolean }>(
    `SELECT id, net::text, provider_id IS NOT NULL AS owned, category IN ('payout', 'payout_reversal') AS payout FROM stripe_movements`,
  );
  const imported = new Map(movements.map(({ id, net }) => [id, net]));
  for (const { id, net } of books.balanceTransactions)
    same(`movement ${id}`, imported.get(id) ?? 'nothing', String(net));
  same('movements', BigInt(movements.length), BigInt(books.balanceTransactions.length));
  const net = (which: (one: (typeof movements)[number]) => boolean) =>
    sum(movements.filter(which).map((one) => BigInt(one.net)));
  const sums = books.sums.usd;
  const ours = (...codes: string[]): bigint => balance(codes, { asset: USD });
  same(
    '1010 + 1015 + 1030',
    ours('1010', '1015', '1030'),
    net(({ owned, payout }) => owned && !payout),
  );
  const nobodys = net(({ owned, payout }) => !owned && !payout);
  same('at Stripe', ours('1010', '1015') + nobodys, BigInt(sums?.balance ?? 0));
  same('pending at Stripe', ours('1015') + nobodys, BigInt(sums?.pending ?? 0));
  same('in the bank', ours('1030'), BigInt(sums?.paidOut ?? 0));
  same('fees', ours('5010', '5040') - nobodys, BigInt(sums?.fees ?? 0));
  const disputed = books.disputes.filter(({ status }) => ['needs_response', 'under_review'].includes(status));
  same('under dispute', ours('2050'), sum(disputed.map((one) => BigInt(one.amount))));

  await returnFaults(owner, books, faults, same);
  await checkoutFaults(owner, books, faults, same);
  await eventFaults(owner, books, faults);
  return faults;
}

function statementFaults(
  books: Books,
  statements: readonly StatementRow[],
  attempts: readonly AttemptRow[],
  issued: readonly Issued[],
  faults: string[],
  same: Same,
): void {
  same('statements', BigInt(statements.length), BigInt(issued.length));
  for (const { statement, account, asset, due } of issued) {
    const row = statements.find(({ id }) => id === statement);
    if (!row || row.account !== account || row.asset !== asset) {
      faults.push(`statement ${statement} is lost`);
      continue;
    }
    same(`due on ${statement}`, BigInt(row.due), due);
    const successes = successesOf(books, statement);
    if (successes.length > 1)
      faults.push(`${statement} was paid ${successes.length} times: ${successes.map(({ id }) => id).join(', ')}`);
    const paid = takenOf(books, statement) * unitsOfACent(asset);
    same(`paid on ${statement} (${row.state})`, BigInt(row.paid), paid);
    const open = due - BigInt(row.paid) - BigInt(row.credited) - BigInt(row.written_off);
    if ((row.state === 'paid') !== (open === 0n && BigInt(row.written_off) === 0n))
      faults.push(`${statement} is ${row.state} and ${open} of it is open`);
    if (BigInt(row.credited) >= unitsOfACent(asset)) faults.push(`${row.credited} was taken off ${statement}`);
    const lawful = isLawful(row, books, attempts);
    if (lawful !== undefined)
      faults.push(`collection of ${statement} (${row.state}) is ${row.collection ?? 'missing'}: ${lawful}`);
  }
}

/** Why a collection may not be where it is; undefined: it is at its end, or waits for something that will come. */
function isLawful(
  { id, state, collection, rests }: StatementRow,
  { paymentIntents, disputes }: Books,
  attempts: readonly AttemptRow[],
): string | undefined {
  const intents = new Set(attempts.filter(({ statement }) => statement === id).map(({ intent }) => intent));
  const atStripe = (status: string): boolean =>
    paymentIntents.some((one) => intents.has(one.id) && one.status === status);
  switch (collection ?? 'missing') {
    case 'paid':
    case 'uncollectible':
      if (state !== collection) return 'its statement is not';
      return rests ? undefined : 'it does not rest';
    case 'disputed':
      return disputes.some(
        ({ payment_intent: intent, status }) =>
          intents.has(idOf(intent)) && ['needs_response', 'under_review'].includes(status),
      )
        ? undefined
        : 'no dispute is open';
    case 'processing':
      return atStripe('processing') ? undefined : 'nothing is on its way at Stripe';
    case 'requires_action':
      return atStripe('requires_action') ? undefined : 'nobody is asked anything at Stripe';
    case 'dunning':
    case 'waiting':
      return rests ? 'it waits for nothing' : undefined;
    default:
      return 'it is neither at its end nor waiting';
  }
}

/** What Stripe says an attempt may have come to. */
const MEANS: Readonly<Record<string, readonly string[]>> = {
  succeeded: ['succeeded'],
  disputed: ['succeeded'],
  reversed: ['succeeded'],
  processing: ['processing'],
  requires_action: ['requires_action'],
  failed: ['canceled', 'requires_payment_method'],
  abandoned: ['canceled', 'requires_confirmation', 'requires_payment_method'],
};

function attemptFaults(books: Books, attempts: readonly AttemptRow[], faults: string[], same: Same): void {
  const byId = new Map(books.paymentIntents.map((intent) => [intent.id, intent]));
  const stored = new Set(attempts.map(({ intent }) => intent));
  for (const { id, state, intent, cents, statement } of attempts) {
    const at = intent === null ? undefined : byId.get(intent);
    if (intent !== null && !at) faults.push(`${intent} of ${id} is not at Stripe`);
    if (!at) continue;
    same(`cents of ${id}`, BigInt(cents), BigInt(at.amount));
    const made = books.paymentIntents.filter(({ metadata }) => metadata.attempt === id);
    if (made.length > 1) faults.push(`${id} has ${made.length} intents`);
    if (at.metadata.attempt !== id || at.metadata.statement !== statement) faults.push(`${at.id} is not of ${id}`);
    if (MEANS[state]?.includes(at.status) !== true) faults.push(`${id} is ${state}, ${at.id} is ${at.status}`);
  }
  for (const { id, status, metadata } of books.paymentIntents)
    if (metadata.statement !== undefined && !stored.has(id) && !['canceled', 'requires_confirmation'].includes(status))
      faults.push(`${id} of ${metadata.statement} is ${status} and of no attempt`);
  const seen = new Set<string>();
  for (const { statement, state } of attempts) {
    if (state !== 'succeeded' && state !== 'disputed') continue;
    if (seen.has(statement)) faults.push(`${statement} has two attempts that succeeded`);
    seen.add(statement);
  }
}
