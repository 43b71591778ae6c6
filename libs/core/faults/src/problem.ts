import type { Fault } from './fault.js';

/** A problem document (RFC 9457) as the API writes it: what is wrong, what to do, and codes a program can act on. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly reason?: string;
  readonly [detail: string]: unknown;
}

const titleOf = (code: string): string => code.charAt(0).toUpperCase() + code.slice(1).replaceAll('_', ' ');

/** The public half of a fault. The cause stays out. */
export const problemOf = (fault: Fault): Problem => ({
  type: `urn:farebox:problem:${fault.reason ?? fault.code}`,
  title: titleOf(fault.reason ?? fault.code),
  status: fault.status,
  detail: fault.message,
  code: fault.code,
  ...(fault.reason === undefined ? {} : { reason: fault.reason }),
  ...fault.details,
});
