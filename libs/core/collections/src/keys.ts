/** What Stripe keeps the answer to a call under: the statement, the attempt's number and the step. */
export const attemptKey = (statement: string, number: number, step: 'create' | 'confirm' | 'cancel'): string =>
  `inv-${statement}-att-${number}-${step}`;
