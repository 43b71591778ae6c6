import { payOut, landPayout, sendPayout } from './payouts.js';
import { releaseFunds } from './balance.js';
import { expireSession } from './checkout-sessions.js';
import { postCharge } from './charges.js';
import { DAY, nextMidnight } from './clock.js';
import { decideDispute, openDispute, passDeadline } from './disputes.js';
import type { Due } from './due.js';
import { forgetOldKeys } from './idempotency.js';
import { settleDebit } from './payment-confirmation.js';
import { settleRefund } from './refunds.js';
import { deliver } from './webhook-delivery.js';
import type { World } from './world.js';

/** So many webhook deliveries of the same moment are under way at once. */
const AT_ONCE = 8;
/** Events can be read for this long. */
const EVENTS_KEPT_DAYS = 30;

/** Does what is due, in the order of the clock. One run at a time. */
export class Runner {
  private tail: Promise<void> = Promise.resolve();
  private waiting = false;
  private readonly closing = new AbortController();

  constructor(
    private readonly world: World,
    private readonly save: () => void,
  ) {
    const { state } = world;
    if (!state.due.some(({ kind }) => kind === 'new_day'))
      world.plan(nextMidnight(world.clock.now()), { kind: 'new_day' });
    const planned = new Set(state.due.map((due) => (due.kind === 'deliver' ? due.delivery : '')));
    // A delivery that was under way when the process died is tried again.
    for (const id of Object.keys(state.deliveries)) {
      if (!planned.has(id)) world.plan(world.clock.now(), { kind: 'deliver', delivery: id });
    }
  }

  /** Moves the clock and does everything that falls due on the way, each thing at its time. */
  advance(ms: number): Promise<void> {
    return this.enqueue(() => this.runUntil(this.world.clock.now() + ms));
  }

  /** Does what is due by now; many calls while one waits are one. */
  catchUp(): void {
    if (this.waiting) return;
    this.waiting = true;
    void this.enqueue(() => {
      this.waiting = false;
      return this.runUntil(this.world.clock.now());
    });
  }

  async stop(): Promise<void> {
    this.closing.abort();
    await this.tail;
  }

  private enqueue(run: () => Promise<void>): Promise<void> {
    const done = this.tail.then(run);
    this.tail = done.catch(() => undefined);
    return done;
  }

  private async runUntil(target: number): Promise<void> {
    const { clock } = this.world;
    while (!this.closing.signal.aborted) {
      const batch = this.takeDue(target);
      const [first] = batch;
      if (first === undefined) break;
      clock.moveTo(first.at);
      this.world.request = null;
      await Promise.all(batch.map((due) => this.carryOut(due)));
      this.world.changed = true;
      this.save();
    }
    if (this.closing.signal.aborted) return;
    if (clock.isHeld && target > clock.now()) this.world.changed = true;
    clock.moveTo(target);
    this.save();
  }

  /** The next thing, or the next few deliveries of one moment. */
  private takeDue(target: number): Due[] {
    const { due } = this.world.state;
    const [first] = due;
    if (first === undefined || first.at > target) return [];
    let count = 1;
    if (first.kind === 'deliver') {
      while (count < AT_ONCE && due[count]?.kind === 'deliver' && due[count]?.at === first.at) count += 1;
    }
    return due.splice(0, count);
  }

  private async carryOut(due: Due): Promise<void> {
    const { world } = this;
    switch (due.kind) {
      case 'new_day':
        return this.newDay(due.at);
      case 'charge_posted':
        return postCharge(world, due.charge);
      case 'debit_result':
        return settleDebit(world, due.charge);
      case 'open_dispute':
        // Nobody disputes what they have back already.
        if (world.state.charges[due.charge]?.refunded === false) openDispute(world, due.charge, { reason: due.reason });
        return;
      case 'dispute_deadline':
        return passDeadline(world, due.dispute);
      case 'dispute_decision':
        return decideDispute(world, due.dispute, due.won);
      case 'refund_result':
        return settleRefund(world, due.refund, due.succeeded);
      case 'payout_leaves':
        return sendPayout(world, due.payout);
      case 'payout_arrives':
        return landPayout(world, due.payout);
      case 'session_expires':
        return expireSession(world, due.session);
      case 'deliver':
        return deliver(world, due.delivery, this.closing.signal);
    }
  }

  private newDay(at: number): void {
    const { world } = this;
    world.plan(nextMidnight(at), { kind: 'new_day' });
    releaseFunds(world);
    payOut(world);
    forgetOldKeys(world);
    const oldest = Math.floor((at - EVENTS_KEPT_DAYS * DAY) / 1000);
    const waiting = new Set(Object.values(world.state.deliveries).map(({ event }) => event));
    for (const event of Object.values(world.state.events)) {
      if (event.created >= oldest) break;
      if (!waiting.has(event.id)) delete world.state.events[event.id];
    }
  }
}
