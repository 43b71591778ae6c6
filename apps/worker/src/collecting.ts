import { CollectionCrashPoint, type CollectionPlace, DEFAULT_DUNNING } from '@core/collections';
import {
  allHandlers,
  ApplyStripeEvents,
  collectionCommands,
  collectionHandlers,
  MarkPastDue,
  PastDueAccounts,
  StoredMethods,
  stripeAccountCommands,
} from '@features/collections';
import { Ledger } from '@features/ledger';
import { StatementStates } from '@features/statements';
import { Announce } from '@features/webhooks';
import type { Config } from '@platform/config';
import type { Database, Writer } from '@platform/database';
import { openStripe, StripeBalance, StripeCheckout, StripeRail, StripeReturns } from '@platform/stripe';
import { CrashPoints, SystemClock, SystemIds } from '@platform/system';
import type { Logger } from '@platform/telemetry';
import { CollectionLoop, type CollectionParts } from './schedules/collection-loop.js';

class ArmedCollectionCrashPoint extends CollectionCrashPoint {
  constructor(private readonly points: CrashPoints) {
    super();
  }
  reach(place: CollectionPlace): void {
    this.points.reach(place);
  }
}

/** Collecting through the Stripe account of the configuration. Who is past due is marked without one as well. */
export function collectionLoopOf(config: Config, writer: Writer, database: Database, logger: Logger): CollectionLoop {
  const ids = new SystemIds();
  const announce = new Announce(ids);
  const pastDue = new PastDueAccounts(new StatementStates(ids), announce);
  return new CollectionLoop(partsOf(config, writer, database), new MarkPastDue(writer, database, pastDue), logger);
}

function partsOf(config: Config, writer: Writer, database: Database): CollectionParts | undefined {
  if (config.STRIPE_SECRET_KEY === undefined) return undefined;
  const ids = new SystemIds();
  const ledger = new Ledger();
  const stripe = openStripe({ secretKey: config.STRIPE_SECRET_KEY, apiUrl: config.STRIPE_API_URL });
  const methods = new StoredMethods(ids, new Announce(ids));
  const commands = collectionCommands({
    ...{ writer, database, methods, ledger, ids },
    rail: new StripeRail(stripe),
    crash: new ArmedCollectionCrashPoint(new CrashPoints(config.CRASH_AT)),
    schedule: DEFAULT_DUNNING,
  });
  const account = stripeAccountCommands({
    ...{ writer, database, methods, ledger, ids, collecting: commands },
    rails: {
      checkout: new StripeCheckout(stripe),
      balance: new StripeBalance(stripe),
      returns: new StripeReturns(stripe),
    },
    clock: new SystemClock(),
  });
  const handlers = allHandlers(collectionHandlers(commands.confirm), account.handlers);
  return { commands, account, events: new ApplyStripeEvents(writer, handlers) };
}
