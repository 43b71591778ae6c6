import { ID_PREFIXES, isId } from '@core/ids';
import type { Database, Writer } from '@platform/database';
import { type StatementPaymentView, viewOfStatementPayment } from './statement-payment.js';
import type { StatementPaymentsStore } from './statement-payments.store.js';

/** Payments of statements as they stand. */
export class ReadStatementPayments {
  constructor(
    private readonly writer: Writer,
    private readonly database: Database,
    private readonly store: StatementPaymentsStore,
    private readonly settings: { readonly publicUrl: string },
  ) {}

  /** For whoever knows its id. */
  async find(id: string): Promise<StatementPaymentView | undefined> {
    const paid = isId(id, ID_PREFIXES.statementPayment) ? await this.store.find(this.writer, id) : undefined;
    return paid && viewOfStatementPayment(paid, this.settings.publicUrl);
  }

  /** For the provider of the statement: newest first; none of a statement that is not there. */
  async ofStatement(provider: string, statement: string): Promise<StatementPaymentView[]> {
    const paid = await this.database.forProvider(provider, (tx) => this.store.ofStatement(tx, statement));
    return paid.map((one) => viewOfStatementPayment(one, this.settings.publicUrl));
  }
}
