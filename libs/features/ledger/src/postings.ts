import type { Entry } from '@core/ledger';

/** The transfers of entries in the form the database function `post_transfers` takes. */
export const postings = (entries: readonly Entry[]) =>
  entries.flat().map(({ provider, entry, key, debit, credit, amount, reason, reference }) => ({
    provider,
    entry,
    key,
    debitCode: debit.code,
    debitAccount: debit.account ?? null,
    debitDetail: debit.detail ?? '',
    creditCode: credit.code,
    creditAccount: credit.account ?? null,
    creditDetail: credit.detail ?? '',
    asset: amount.asset,
    amount: amount.atomic.toString(),
    reason,
    reference,
  }));
