import { atPar } from '@core/collections';
import { Fault } from '@core/faults';
import { ID_PREFIXES, type IdSource, isId } from '@core/ids';
import { captureStatementPayment } from '@core/ledger';
import { amount, assetId, USD } from '@core/money';
import type { PayableAssets } from '@core/payments';
import { captureSale, type ClaimedPayment, type Sale, type ShownHeaders, type Sold } from '@features/payments';
import type { StatementStates } from '@features/statements';
import type { Writer } from '@platform/database';
import { payStatementUrl, viewOfStatementPayment } from './statement-payment.js';
import type { PayableStatement, StatementPaymentsStore, UnderWay } from './statement-payments.store.js';

/** A request to pay a statement, as it came. */
export interface StatementToPay extends ShownHeaders {
  /** `stm_…` */
  readonly statement: string;
}

/** The name under which statements are quoted. No meter can have it: it has a space. */
const SOLD_AS = 'open statement';

const UNDER_WAY: Readonly<Record<UnderWay, string>> = {
  payment_under_way: 'A payment of this statement is on its way already. Wait until it has ended.',
  collection_under_way: 'This statement is being collected by card or bank. Wait until that has ended.',
};

/** Sells being quit of a statement, to anybody: what is open of it, in its token or at par in the one that is paid with here. */
export class StatementSale implements Sale<StatementToPay> {
  readonly origin = 'statement';
  readonly seal = 'statement';
  readonly hints = { description: 'Open statement', mimeType: 'application/json' };
  readonly asksWho = false;

  constructor(
    private readonly writer: Writer,
    private readonly store: StatementPaymentsStore,
    private readonly statements: StatementStates,
    private readonly assets: PayableAssets,
    private readonly ids: IdSource,
    private readonly settings: { readonly publicUrl: string },
  ) {}

  async sold({ statement }: StatementToPay): Promise<Sold> {
    const { provider, asset } = await this.#payable(statement);
    const tokens = this.assets();
    const token = tokens.find(({ id }) => id === asset) ?? (asset === USD.id ? tokens[0] : undefined);
    if (!token) {
      throw new Fault('unavailable', 'The token of this statement cannot be paid with here now.', {
        reason: 'no_asset',
      });
    }
    const url = payStatementUrl(this.settings.publicUrl, statement);
    return { provider, request: { method: 'POST', url, bodyDigest: '', meter: SOLD_AS, quantity: '1' }, asset: token };
  }

  /** @throws Fault conflict (`nothing_due`, `payment_under_way`, `collection_under_way`) */
  async price({ statement }: StatementToPay, { asset }: Sold): Promise<bigint> {
    const payable = await this.#payable(statement);
    const underWay = await this.store.underWay(this.writer, statement);
    if (underWay) throw new Fault('conflict', UNDER_WAY[underWay], { reason: underWay, retryAfterSeconds: 60 });
    if (payable.open === 0n)
      throw new Fault('conflict', 'Nothing is due on this statement.', { reason: 'nothing_due' });
    return atPar(amount(payable.asset, payable.open), asset.id).atomic;
  }

  /** Anybody may pay a debt: the payment is its debtor's all the same. */
  async buyer({ statement }: StatementToPay): Promise<string> {
    return (await this.#payable(statement)).account;
  }

  /** Under the statement's lock, which tries by card and bank are started under as well. */
  async capture({ statement }: StatementToPay, payment: ClaimedPayment, account: string): Promise<'captured' | 'gone'> {
    return this.writer.transaction(async (tx) => {
      const { open, asset } = await this.statements.lock(tx, statement);
      if (await this.store.ofPayment(tx, payment.id)) return 'captured';
      const charged = amount(assetId(payment.assetId), payment.amount);
      const isMore = atPar(amount(asset, open), charged.asset).atomic < charged.atomic;
      if (isMore || (await this.store.underWay(tx, statement))) return 'gone';
      const entry = captureStatementPayment({ provider: payment.provider, account, payment: payment.id, charged });
      if (await captureSale(tx, payment, account, entry))
        await this.store.insert(tx, this.ids.next(ID_PREFIXES.statementPayment), statement, account, payment);
      return 'captured';
    });
  }

  async show(payment: { readonly id: string }): Promise<{ body: object; statusUrl: string }> {
    const paid = await this.store.ofPayment(this.writer, payment.id);
    if (!paid)
      throw new Fault('invariant_broken', `payment ${payment.id} pays a statement, and there is no word of it`);
    const view = viewOfStatementPayment(paid, this.settings.publicUrl);
    return { body: { statementPayment: view }, statusUrl: view.statusUrl };
  }

  async #payable(statement: string): Promise<PayableStatement> {
    const found = isId(statement, ID_PREFIXES.statement) ? await this.store.payable(this.writer, statement) : undefined;
    if (!found) throw new Fault('not_found', 'There is no such statement.', { reason: 'unknown_statement' });
    return found;
  }
}
