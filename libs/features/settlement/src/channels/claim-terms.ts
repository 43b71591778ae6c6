/** When a claim is worth its gas. */
export interface ClaimTerms {
  /** Atomic units that are claimed at once. */
  readonly minValue: bigint;
  /** How long less than that may wait. */
  readonly maxAgeMs: number;
}
