/** What a movement of an account's receivables is on its statement. */
export type PostingKind =
  | { readonly kind: 'metered'; readonly charge: string; readonly revision: number }
  | { readonly kind: 'paid'; readonly payment: string }
  | { readonly kind: 'payment'; readonly payment: string; readonly returned: boolean }
  /** Paid from a grant of the account's balance. */
  | { readonly kind: 'spent'; readonly payment: string; readonly grant: string }
  /** Received for a statement, or taken back of that. */
  | { readonly kind: 'collected'; readonly rail: 'stripe' | 'usdc' }
  | { readonly kind: 'adjustment' };

const ACCRUAL = /^accrue:([^:]+):(\d+):usage$/;
const CAPTURE = /^capture:([^:]+):(charge|payment)$/;
const SPENT = /^capture:([^:]+):payment:([^:]+)$/;
const RETURN = /^fail:([^:]+):return$/;

/** Codes of ledger accounts where money is: what comes from there pays, what goes there is returned. */
const MONEY: ReadonlyMap<string, 'stripe' | 'usdc'> = new Map([
  ['1010', 'stripe'],
  ['1015', 'stripe'],
  ['1030', 'stripe'],
  ['2050', 'stripe'],
  ['1020', 'usdc'],
  ['1025', 'usdc'],
  ['1026', 'usdc'],
  ['2020', 'usdc'],
  ['5060', 'usdc'],
]);

/**
 * Reads a posting key of the recipes in `core/ledger`, and the code of the ledger account on the other side of the movement. Whatever is
 * neither a charge nor a payment is an adjustment, so every movement has its place on the statement, those of recipes to come included.
 */
export function postingKind(key: string, counter = ''): PostingKind {
  const [, charge, revision] = ACCRUAL.exec(key) ?? [];
  if (charge !== undefined && revision !== undefined) return { kind: 'metered', charge, revision: Number(revision) };
  const [, captured, leg] = CAPTURE.exec(key) ?? [];
  if (captured !== undefined)
    return leg === 'charge'
      ? { kind: 'paid', payment: captured }
      : { kind: 'payment', payment: captured, returned: false };
  const [, spent, grant] = SPENT.exec(key) ?? [];
  if (spent !== undefined && grant !== undefined) return { kind: 'spent', payment: spent, grant };
  const [, returned] = RETURN.exec(key) ?? [];
  if (returned !== undefined) return { kind: 'payment', payment: returned, returned: true };
  const rail = MONEY.get(counter);
  return rail === undefined ? { kind: 'adjustment' } : { kind: 'collected', rail };
}
