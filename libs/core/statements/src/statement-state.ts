/** What becomes of an issued statement. */
export const STATEMENT_STATES = [
  'issued',
  'processing',
  'paid',
  'part_paid',
  'overdue',
  'uncollectible',
  'voided',
] as const;
export type StatementState = (typeof STATEMENT_STATES)[number];

/** What a statement asked for and what became of it, in atomic units. Only its first field never changes. */
export interface StatementStanding {
  readonly state: StatementState;
  /** What it asks for. */
  readonly due: bigint;
  /** Received for it and not taken back. */
  readonly paid: bigint;
  /** Taken off by credit notes. */
  readonly credited: bigint;
  /** Given up. */
  readonly writtenOff: bigint;
}

/** Something that happens to a statement. Amounts are atomic units, above zero. */
export type StatementEvent =
  | { readonly kind: 'received'; readonly amount: bigint }
  /** A return, a refund or a lost dispute: what had been received is gone again. */
  | { readonly kind: 'taken_back'; readonly amount: bigint }
  | { readonly kind: 'credited'; readonly amount: bigint }
  /** A bank debit was started, and is not answered for days. */
  | { readonly kind: 'processing' }
  /** It failed. */
  | { readonly kind: 'processing_failed' }
  | { readonly kind: 'overdue' }
  /** All that is open is given up. */
  | { readonly kind: 'written_off' }
  /** Paid after it was given up. */
  | { readonly kind: 'recovered'; readonly amount: bigint };

export type StatementVerdict =
  | {
      readonly outcome: 'changed';
      readonly standing: StatementStanding;
      /** What the account owes more for it than before; negative owes less. */
      readonly change: bigint;
    }
  /** It is so already. */
  | { readonly outcome: 'unchanged' }
  /** `most`: what the amount could have been. */
  | { readonly outcome: 'too_much'; readonly most: bigint }
  | { readonly outcome: 'not_possible' };

/** What is still to be paid. */
export const openOf = ({ due, paid, credited, writtenOff }: Omit<StatementStanding, 'state'>): bigint =>
  due - paid - credited - writtenOff;

/** How a statement begins: one that asks for nothing is paid. */
export const issuedStanding = (due: bigint): StatementStanding => ({
  state: due === 0n ? 'paid' : 'issued',
  due,
  paid: 0n,
  credited: 0n,
  writtenOff: 0n,
});

/**
 * Decides what an event makes of a statement. The sums decide whether anything is open; what is open keeps the word that was said of it
 * last (processing, overdue), else it is part_paid or issued.
 */
export function afterStatementEvent(before: StatementStanding, event: StatementEvent): StatementVerdict {
  if (before.state === 'voided') return { outcome: 'not_possible' };
  const open = openOf(before);
  const within = (amount: bigint, most: bigint, after: Partial<StatementStanding>): StatementVerdict => {
    if (amount <= 0n) return { outcome: 'not_possible' };
    return amount > most ? { outcome: 'too_much', most } : changed(before, after);
  };
  switch (event.kind) {
    case 'received':
      return within(event.amount, open, { paid: before.paid + event.amount });
    case 'credited':
      return within(event.amount, open, { credited: before.credited + event.amount });
    case 'taken_back':
      return within(event.amount, before.paid, { paid: before.paid - event.amount });
    case 'recovered':
      return within(event.amount, before.writtenOff, {
        paid: before.paid + event.amount,
        writtenOff: before.writtenOff - event.amount,
      });
    case 'processing':
      if (before.state === 'processing') return { outcome: 'unchanged' };
      return open === 0n ? { outcome: 'not_possible' } : changed(before, {}, 'processing');
    case 'processing_failed':
      return before.state === 'processing' ? changed(before, {}, 'issued') : { outcome: 'unchanged' };
    case 'overdue':
      if (before.state === 'overdue') return { outcome: 'unchanged' };
      return open === 0n ? { outcome: 'not_possible' } : changed(before, {}, 'overdue');
    case 'written_off':
      if (open > 0n) return changed(before, { writtenOff: before.writtenOff + open });
      return before.state === 'uncollectible' ? { outcome: 'unchanged' } : { outcome: 'not_possible' };
  }
}

function changed(
  before: StatementStanding,
  sums: Partial<StatementStanding>,
  said: StatementState = before.state,
): StatementVerdict {
  const after = { ...before, ...sums };
  return {
    outcome: 'changed',
    standing: { ...after, state: stateOf(after, said) },
    change: openOf(after) - openOf(before),
  };
}

function stateOf(sums: StatementStanding, said: StatementState): StatementState {
  if (openOf(sums) === 0n) return sums.writtenOff > 0n ? 'uncollectible' : 'paid';
  if (said === 'processing' || said === 'overdue') return said;
  return sums.paid > 0n ? 'part_paid' : 'issued';
}

/** As printed on it: the series, and the number in at least six digits. */
export const statementNumber = (series: string, number: bigint): string =>
  `${series}-${number.toString().padStart(6, '0')}`;
