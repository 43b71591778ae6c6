import { type Entry, gasCost } from '@core/ledger';
import { allocate, amount, nativeAsset } from '@core/money';
import type { OpenTransaction, Spent } from './transactions.store.js';

/** What a transaction cost, shared out over the providers whose payments it carried, by their number. */
export function gasEntries(
  chainId: number,
  transaction: Pick<OpenTransaction, 'id' | 'signer'>,
  spent: Spent,
): Entry[] {
  const providers = [...spent.providers.keys()].sort();
  if (providers.length === 0) return [];
  const shares = allocate(
    spent.cost,
    providers.map((provider) => spent.providers.get(provider) ?? 0n),
  );
  return providers.map((provider, i) =>
    gasCost({
      provider,
      transaction: transaction.id,
      relayer: transaction.signer,
      share: amount(nativeAsset(chainId), shares[i] ?? 0n),
    }),
  );
}
