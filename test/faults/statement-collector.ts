// A worker that collects statements again and again until it is killed: node --import ./tools/register-typescript.mjs
// statement-collector.ts <database url> <writer url> <stripe url> [place of its end]. It says "ready" when it begins.
import { argv, stdout } from 'node:process';
import { CollectionCrashPoint, type CollectionPlace, DEFAULT_DUNNING } from '@core/collections';
import { collectionCommands, StoredMethods } from '@features/collections';
import { Ledger } from '@features/ledger';
import { Announce } from '@features/webhooks';
import { Database, Writer } from '@platform/database';
import { openStripe, StripeRail } from '@platform/stripe';
import { CrashPoints, SystemIds } from '@platform/system';

const [, , databaseUrl = '', writerUrl = '', stripeUrl = '', place] = argv;

class Armed extends CollectionCrashPoint {
  readonly #points = new CrashPoints(place);
  reach(at: CollectionPlace): void {
    this.#points.reach(at);
  }
}

const ids = new SystemIds();
const writer = new Writer(writerUrl, 5);
const commands = collectionCommands({
  writer,
  database: new Database(databaseUrl, 5),
  rail: new StripeRail(openStripe({ secretKey: 'sk_test_scene', apiUrl: stripeUrl })),
  methods: new StoredMethods(ids, new Announce(ids)),
  ledger: new Ledger(),
  ids,
  crash: new Armed(),
  schedule: DEFAULT_DUNNING,
});

stdout.write('ready\n');
for (;;) {
  await commands.open.run();
  await commands.collect.run().catch((error: unknown) => stdout.write(`${String(error)}\n`));
  await new Promise((resolve) => setTimeout(resolve, 50));
}
