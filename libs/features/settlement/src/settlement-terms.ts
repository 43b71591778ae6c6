/** How settlement is run. Times in milliseconds. */
export interface SettlementTerms {
  /** Most payments in one transaction. */
  readonly batch: number;
  /** How long a served payment may wait for others to share its transaction. */
  readonly windowMs: number;
  /** How often an open transaction is looked at. */
  readonly pollMs: number;
  /** Without a receipt for so long, the fees are raised. */
  readonly replaceAfterMs: number;
  /** Most that is offered for one unit of gas, in the chain's native atomic unit. */
  readonly feeCap: bigint;
  /** Names this process in the leases it takes. */
  readonly owner: string;
}
