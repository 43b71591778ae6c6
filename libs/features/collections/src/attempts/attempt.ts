import { Fault } from '@core/faults';
import { ATTEMPT_STATES, type AttemptState } from '@core/collections';
import { type Amount, amount, assetId } from '@core/money';
import { big } from '@platform/database';

/** One try at collecting a statement, as it is written down. */
export interface Attempt {
  /** `att_…` */
  readonly id: string;
  readonly number: number;
  readonly rail: 'card' | 'bank';
  /** `pmt_…` */
  readonly method: string;
  /** `cus_…` */
  readonly customer: string;
  readonly cents: bigint;
  readonly currency: string;
  /** What it pays of the statement. */
  readonly covers: Amount;
  readonly create: { readonly key: string; readonly body: string };
  readonly confirm: { readonly key: string; readonly body: string };
  readonly state: AttemptState;
  /** `pi_…` */
  readonly intent: string | undefined;
  /** 1120 was posted for it. */
  readonly debitStarted: boolean;
  readonly keySpent: boolean;
  readonly failure: string | undefined;
  /** Of one that succeeded: what of `covers` the statement took. */
  readonly applied: bigint | undefined;
  /** By the clock of the database. */
  readonly ageMs: number;
  readonly stateAgeMs: number;
  readonly confirmAgeMs: number | undefined;
}

export interface AttemptRow {
  id: string;
  number: number;
  rail: 'card' | 'bank';
  method_id: string;
  customer: string;
  cents: string;
  currency: string;
  asset: string;
  covers: string;
  create_key: string;
  create_body: string;
  confirm_key: string;
  confirm_body: string;
  state: string;
  payment_intent: string | null;
  debit_started: boolean;
  key_spent: boolean;
  failure: string | null;
  applied: string | null;
  age_ms: string;
  state_age_ms: string;
  confirm_age_ms: string | null;
}

const age = (column: string): string => `(extract(epoch FROM now() - ${column}) * 1000)::bigint::text`;

export const ATTEMPT_COLUMNS = `a.id, a.number, a.rail, a.method_id, a.customer, a.cents::text, a.currency, a.asset, a.covers::text, a.create_key, a.create_body,
  a.confirm_key, a.confirm_body, a.state, a.payment_intent, a.debit_started, a.key_spent, a.failure, a.applied::text, ${age('a.created_at')} AS age_ms,
  ${age('a.state_at')} AS state_age_ms, ${age('a.confirmed_at')} AS confirm_age_ms`;

export function attemptOf(row: AttemptRow): Attempt {
  const state = ATTEMPT_STATES.find((one) => one === row.state);
  if (!state) throw new Fault('invariant_broken', `attempt ${row.id} is "${row.state}"`);
  return {
    id: row.id,
    number: row.number,
    rail: row.rail,
    method: row.method_id,
    customer: row.customer,
    cents: big(row.cents),
    currency: row.currency,
    covers: amount(assetId(row.asset), big(row.covers)),
    create: { key: row.create_key, body: row.create_body },
    confirm: { key: row.confirm_key, body: row.confirm_body },
    state,
    intent: row.payment_intent ?? undefined,
    debitStarted: row.debit_started,
    keySpent: row.key_spent,
    failure: row.failure ?? undefined,
    applied: row.applied === null ? undefined : big(row.applied),
    ageMs: Number(row.age_ms),
    stateAgeMs: Number(row.state_age_ms),
    confirmAgeMs: row.confirm_age_ms === null ? undefined : Number(row.confirm_age_ms),
  };
}
