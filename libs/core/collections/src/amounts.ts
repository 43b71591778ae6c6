import { Fault } from '@core/faults';
import { type Amount, amount, USD } from '@core/money';

/** Stripe carries no less than 50 US cents and no more than eight digits of them. */
export const LEAST_CENTS = 50n;
export const MOST_CENTS = 99_999_999n;

/** Atomic units of USDC (6 decimals) that are worth a cent (2 decimals) at par. */
const UNITS_OF_A_CENT = 10_000n;

/** What a card or bank can collect of a sum: whole cents, and the part of the sum they pay at par. The rest stays owed: in doubt, less. */
export type Collectable =
  | { readonly kind: 'cents'; readonly cents: bigint; readonly covers: Amount }
  | { readonly kind: 'too_small' }
  | { readonly kind: 'too_large' };

/** Atomic units of the asset of a statement that one cent pays. Statements are in US dollars or in USDC. */
export function unitsOfACent(asset: Amount['asset']): bigint {
  if (asset === USD.id) return 1n;
  if (asset.includes('/erc20:')) return UNITS_OF_A_CENT;
  throw new Fault('invariant_broken', `a statement in ${asset} cannot be collected in US cents`);
}

/** What a sum is worth in another asset at par, cut to whole atomic units of it. */
export function atPar(sum: Amount, asset: Amount['asset']): Amount {
  if (sum.asset === asset) return sum;
  return amount(asset, (sum.atomic * unitsOfACent(asset)) / unitsOfACent(sum.asset));
}

/** What a payment in a token pays of a statement: never more than is open. `taken` of the payment, in its token, is worth `covers` exactly. */
export function coveredBy(received: Amount, open: Amount): { readonly taken: Amount; readonly covers: Amount } {
  const most = atPar(received, open.asset);
  const covers = most.atomic < open.atomic ? most : open;
  return { taken: atPar(covers, received.asset), covers };
}

/** @param due what is still asked for by the statement */
export function collectable(due: Amount): Collectable {
  const unit = unitsOfACent(due.asset);
  const cents = due.atomic / unit;
  if (cents < LEAST_CENTS) return { kind: 'too_small' };
  if (cents > MOST_CENTS) return { kind: 'too_large' };
  return { kind: 'cents', cents, covers: amount(due.asset, cents * unit) };
}
