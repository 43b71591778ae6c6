import type { IdSource } from '@core/ids';
import type { PayableAssets } from '@core/payments';
import type { Ledger } from '@features/ledger';
import type { Sale, Sell } from '@features/payments';
import { StatementStates } from '@features/statements';
import { Announce } from '@features/webhooks';
import type { Database, Writer } from '@platform/database';
import { PastDueAccounts } from '../past-due-accounts.js';
import { ApplyStatementPayments } from './apply-statement-payments.js';
import { ReadStatementPayments } from './read-statement-payments.js';
import { StatementPaymentsStore } from './statement-payments.store.js';
import { StatementSale, type StatementToPay } from './statement-sale.js';

/** Statements that are paid in a token, at the door. */
export interface StatementSweeps {
  readonly pay: Sell<StatementToPay>;
  readonly read: ReadStatementPayments;
}

/** @param payments sells what it is given, as it does balance */
export function openStatementSweeps(
  payments: { sell(sale: Sale<StatementToPay>): Sell<StatementToPay> },
  parts: {
    readonly writer: Writer;
    readonly database: Database;
    readonly assets: PayableAssets;
    readonly ids: IdSource;
    readonly settings: { readonly publicUrl: string };
  },
): StatementSweeps {
  const { writer, database, assets, ids, settings } = parts;
  const store = new StatementPaymentsStore();
  return {
    pay: payments.sell(new StatementSale(writer, store, new StatementStates(ids), assets, ids, settings)),
    read: new ReadStatementPayments(writer, database, store, settings),
  };
}

/** What the worker does of it. */
export function openApplyStatementPayments(parts: {
  readonly writer: Writer;
  readonly database: Database;
  readonly ledger: Ledger;
  readonly ids: IdSource;
}): ApplyStatementPayments {
  const { writer, database, ledger, ids } = parts;
  const statements = new StatementStates(ids);
  const pastDue = new PastDueAccounts(statements, new Announce(ids));
  return new ApplyStatementPayments(writer, database, new StatementPaymentsStore(), statements, ledger, pastDue);
}
