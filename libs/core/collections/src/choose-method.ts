/** Stripe's types of methods that are stored. */
export type MethodType = 'card' | 'us_bank_account' | 'sepa_debit';

/** The currency each type can carry of those we collect in: SEPA debits are in euros only. */
const CARRIES_USD: Readonly<Record<MethodType, boolean>> = { card: true, us_bank_account: true, sepa_debit: false };

/**
 * The method to try: the first on the rails of the terms, in their order, that is not set aside.
 * @param avoided ids of methods that failed for this statement in a way that will not pass by itself
 */
export function chooseMethod<Method extends { readonly id: string; readonly rail: string; readonly type: MethodType }>(
  methods: readonly Method[],
  rails: readonly string[],
  avoided: ReadonlySet<string>,
): Method | undefined {
  const candidates = methods.filter(({ id, type }) => CARRIES_USD[type] && !avoided.has(id));
  for (const rail of rails) {
    const first = candidates.find((method) => method.rail === rail);
    if (first) return first;
  }
  return undefined;
}
