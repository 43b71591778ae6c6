import { Chance } from './chance.js';
import { StandInClock } from './clock.js';
import { plan } from './due.js';
import type { DueWhat } from './due.js';
import type { State } from './state.js';

/** How webhook deliveries are made worse than they are. All off by default. */
export interface WebhookSwitches {
  /** Each delivery this many times (1: once). */
  copies: number;
  /** Deliveries are spread at random over this many milliseconds of the clock, so that their order is lost. */
  shuffleMs: number;
  /** Every delivery this much later. */
  delayMs: number;
  /** Share of deliveries that never come, whatever the endpoint would have answered. */
  drop: number;
  /** Share of deliveries that are followed by an invented event signed with a wrong secret. */
  forge: number;
}

export const HONEST_WEBHOOKS: Readonly<WebhookSwitches> = { copies: 1, shuffleMs: 0, delayMs: 0, drop: 0, forge: 0 };

/** What every resource of the LOCAL STAND-IN shares: its state, its clock, its ids, what is planned, chance. */
export class World {
  readonly clock: StandInClock;
  readonly chance: Chance;
  readonly webhooks: WebhookSwitches = { ...HONEST_WEBHOOKS };
  /** The API request that is being carried out; events name it. */
  request: { readonly id: string; readonly idempotencyKey: string | null } | null = null;
  /** Something changed since the last snapshot. */
  changed = true;
  /**
   * How long after a card payment its balance transaction is written, announced by charge.updated. The real API takes a
   * few seconds when capture is automatic_async, its default: who reads the fee from the first answer finds none.
   */
  postingLagMs = 0;
  /** What a webhook signature says of when it was made, milliseconds. */
  signedAt: () => number = () => this.clock.now();
  /** How old an object has to be before a search finds it. */
  searchLagMs = 0;
  /** Where the hosted pages are. */
  url = '';

  constructor(
    readonly state: State,
    seed: string,
  ) {
    this.clock = new StandInClock(state);
    this.chance = new Chance(seed);
  }

  id(prefix: string): string {
    return `${prefix}_${this.state.salt}${this.count().toString(36).padStart(12, '0')}`;
  }

  secret(prefix: string): string {
    return `${prefix}_${this.state.salt}${this.state.salt}${this.count().toString(36).padStart(8, '0')}`;
  }

  plan(at: number, what: DueWhat): void {
    plan(this.state.due, { ...what, at, order: this.count() });
    this.changed = true;
  }

  private count(): number {
    this.changed = true;
    this.state.counter += 1;
    return this.state.counter;
  }
}
