import type { z } from 'zod';

/** Where and how a value first departs from its schema, e.g. `accepted.amount: expected …`. Never quotes the value. */
export function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  if (issue === undefined) return 'does not have the expected form';
  const path = issue.path.map(String).join('.');
  return path === '' ? issue.message : `${path}: ${issue.message}`;
}
