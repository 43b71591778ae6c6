/** What a movement of an account's receivable is on its statement. */
export type PostingKind =
  | { readonly kind: 'metered'; readonly charge: string; readonly revision: number }
  | { readonly kind: 'paid'; readonly payment: string }
  | { readonly kind: 'payment'; readonly payment: string; readonly returned: boolean }
  /** Paid from a grant of the account's balance. */
  | { readonly kind: 'spent'; readonly payment: string; readonly grant: string }
  | { readonly kind: 'adjustment' };

const ACCRUAL = /^accrue:([^:]+):(\d+):usage$/;
const CAPTURE = /^capture:([^:]+):(charge|payment)$/;
const SPENT = /^capture:([^:]+):payment:([^:]+)$/;
const RETURN = /^fail:([^:]+):return$/;

/**
 * Reads a posting key of the recipes in `core/ledger`. Whatever is neither a charge nor a payment is an adjustment, so
 * every movement has its place on the statement, those of recipes to come included.
 */
export function postingKind(key: string): PostingKind {
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
  return { kind: 'adjustment' };
}
