import type { PaymentState } from '@core/payments';
import type { Hex } from '@core/x402';
import { paidSaleStatus, publicPath } from '@features/payments';

export const STATEMENT_PAYMENT_STATES = ['paid', 'applied', 'failed'] as const;
/** paid: on its way · applied: final, and the statement has taken of it what it could · failed: proven never paid. */
export type StatementPaymentState = (typeof STATEMENT_PAYMENT_STATES)[number];

/** A payment in a token that pays a statement. */
export interface StatementPayment {
  /** `spm_…` */
  readonly id: string;
  readonly provider: string;
  readonly statement: string;
  readonly payment: string;
  readonly paymentState: PaymentState;
  readonly payer: string;
  readonly network: string;
  /** Asset id of the token. */
  readonly asset: string;
  /** Atomic units of the token: what was paid, and what of it the statement took. */
  readonly amount: bigint;
  readonly applied: bigint;
  readonly state: StatementPaymentState;
  readonly transaction: Hex | undefined;
}

export const STATEMENT_PAYMENT_STATUSES = ['pending', 'confirmed', 'applied', 'failed'] as const;
export type StatementPaymentStatus = (typeof STATEMENT_PAYMENT_STATUSES)[number];

/** The public document of a payment of a statement. Amounts are atomic units of the token as decimal strings. */
export interface StatementPaymentView {
  readonly id: string;
  readonly status: StatementPaymentStatus;
  readonly statement: string;
  readonly provider: string;
  readonly payer: string;
  readonly network: string;
  readonly asset: string;
  readonly amount: string;
  /** Of an applied one: what the statement took, and what is over. */
  readonly applied?: string;
  readonly unapplied?: string;
  readonly payment: string;
  readonly transaction?: string;
  readonly statusUrl: string;
}

/** Where it stands, in the words of the public document. */
export function statementPaymentStatus({
  state,
  paymentState,
}: Pick<StatementPayment, 'state' | 'paymentState'>): StatementPaymentStatus {
  return state === 'paid' ? paidSaleStatus(paymentState) : state;
}

/** Where a statement is paid. */
export const payStatementUrl = (publicUrl: string, statement: string): string =>
  publicPath(publicUrl, `/v1/statements/${statement}/pay`);

export const viewOfStatementPayment = (paid: StatementPayment, publicUrl: string): StatementPaymentView => ({
  id: paid.id,
  status: statementPaymentStatus(paid),
  statement: paid.statement,
  provider: paid.provider,
  payer: paid.payer,
  network: paid.network,
  asset: paid.asset,
  amount: paid.amount.toString(),
  ...(paid.state === 'applied'
    ? { applied: paid.applied.toString(), unapplied: (paid.amount - paid.applied).toString() }
    : {}),
  payment: paid.payment,
  ...(paid.transaction === undefined ? {} : { transaction: paid.transaction }),
  statusUrl: publicPath(publicUrl, `/v1/statement-payments/${paid.id}`),
});
