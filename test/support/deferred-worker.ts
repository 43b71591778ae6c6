import { type BillingRail, DEFAULT_DUNNING } from '@core/collections';
import { Clock, type Instant, instant } from '@core/time';
import {
  allHandlers,
  ApplyStripeEvents,
  type CollectionCommands,
  collectionCommands,
  collectionHandlers,
  StoredMethods,
  type StripeAccountCommands,
  stripeAccountCommands,
} from '@features/collections';
import { Ledger } from '@features/ledger';
import { Announce } from '@features/webhooks';
import { Database, Writer } from '@platform/database';
import { openStripe, StripeBalance, StripeCheckout, StripeRail, StripeReturns } from '@platform/stripe';
import { SystemIds } from '@platform/system';
import type { StripeStandIn } from '../../apps/local/src/stripe-stand-in/stripe-stand-in.js';
import { CollectionInterrupt } from './collection-scene.js';
import type { TestDatabase } from './database.js';

/** The time of the stand-in: what Stripe and we agree on. */
export class StandInTime extends Clock {
  constructor(private readonly standIn: StripeStandIn) {
    super();
  }
  now(): Instant {
    return instant(Math.floor(this.standIn.clock.now()));
  }
}

/** Everything a worker does about deferred accounts, over connections of its own. */
export class DeferredWorker {
  readonly interrupt = new CollectionInterrupt();
  readonly commands: CollectionCommands;
  readonly account: StripeAccountCommands;
  readonly #events: ApplyStripeEvents;
  readonly #writer: Writer;
  readonly #database: Database;
  /** How often it was interrupted. */
  interrupted = 0;

  constructor(db: TestDatabase, standIn: StripeStandIn, rail?: BillingRail) {
    const writer = (this.#writer = new Writer(db.writerUrl, 5));
    const database = (this.#database = new Database(db.appUrl, 5));
    const ids = new SystemIds();
    const ledger = new Ledger();
    const stripe = openStripe({ secretKey: 'sk_test_worker', apiUrl: standIn.url });
    const methods = new StoredMethods(ids, new Announce(ids));
    const own = { writer, database, methods, ledger, ids };
    this.commands = collectionCommands({
      ...own,
      rail: rail ?? new StripeRail(stripe),
      crash: this.interrupt,
      schedule: DEFAULT_DUNNING,
    });
    this.account = stripeAccountCommands({
      ...own,
      collecting: this.commands,
      rails: {
        checkout: new StripeCheckout(stripe),
        balance: new StripeBalance(stripe),
        returns: new StripeReturns(stripe),
      },
      clock: new StandInTime(standIn),
    });
    this.#events = new ApplyStripeEvents(
      writer,
      allHandlers(collectionHandlers(this.commands.confirm), this.account.handlers),
    );
  }

  /** All its schedules once, at the same time as they may run. @returns alarms */
  async round(): Promise<readonly string[]> {
    const { open, collect, markPastDue } = this.commands;
    const { checkouts, refunds, forget, balance, disputes } = this.account;
    const alarms: string[] = [];
    const collecting = async (): Promise<void> => {
      await open.run();
      alarms.push(...(await collect.run()).alarms);
      await markPastDue.run();
    };
    const events = async (): Promise<void> => void alarms.push(...(await this.#events.run()).alarms);
    const following = async (): Promise<void> => {
      await checkouts.run();
      await refunds.run();
      await forget.run();
      await balance.run();
      alarms.push(...(await disputes.sweep()));
    };
    const ends = await Promise.allSettled([collecting(), events(), following()]);
    for (const end of ends) {
      if (end.status === 'fulfilled') continue;
      if (!String(end.reason).includes('interrupted at') && !isAgain(end.reason)) throw end.reason;
      this.interrupted += 1;
    }
    return alarms;
  }

  async close(): Promise<void> {
    await Promise.all([this.#writer.close(), this.#database.close()]);
  }
}

/** Two transactions met the wrong way round and one was given up: its schedule runs again, as the worker's do. */
const isAgain = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && /^(?:40P01|40001)$/.test(String(Reflect.get(error, 'code')));
