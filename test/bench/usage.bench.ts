// What it takes the database to tell an account's usage of a month, with ten times the events stored. The events come in through
// the stream door and are rolled up by the worker, as always; what is measured is the reader that the api uses.
import { MeterReader, UsageReader } from '@features/metering';
import { Database, type Tx } from '@platform/database';
import { SystemClock } from '@platform/system';
import { instant } from '@core/time';
import { startChain } from '../../tools/servers/chain.mjs';
import { placeUsdc } from '../../tools/servers/usdc.mjs';
import { Farebox } from './support/farebox.js';
import { startGround } from './support/ground.js';
import { median, report, rowOf, short } from './support/report.js';
import { ACCOUNTS, METERS } from './support/usage-load.events.js';
import { UsageScene } from './support/usage-scene.js';

const ROUNDS = short ? 3 : 9;
const [FEWER, MORE] = short ? [200_000, 2_000_000] : [1_000_000, 10_000_000];
const DAYS = 31;
const DAY_MS = 86_400_000;
/** What a query may take in the database. */
const MOST_MS = 1;

interface Side {
  readonly farebox: Farebox;
  readonly scene: UsageScene;
  readonly database: Database;
  readonly milliseconds: number[];
}

const ground = await startGround();
const chain = await startChain();
const sides: Side[] = [];
try {
  await placeUsdc(chain.url);
  const fewer = await start(FEWER);
  const more = await start(MORE);
  for (const side of sides) await ask(side);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const side of sides) side.milliseconds.push(median(await ask(side)));
  }
  const events = (count: number): string => `${count.toLocaleString('en-US')} events`;
  const measured = {
    path: `usage of an account and meter for a month, ${events(more.scene.acknowledged)} stored`,
    unit: 'ms in the database',
    lessIsBetter: true,
    ours: more.milliseconds,
  };
  report('usage', [
    rowOf({ ...measured, referenceName: 'allowed', target: 1, reference: more.milliseconds.map(() => MOST_MS) }),
    rowOf({
      ...measured,
      referenceName: `${events(fewer.scene.acknowledged)} stored`,
      target: 1.3,
      reference: fewer.milliseconds,
    }),
  ]);
} finally {
  for (const { farebox, scene, database } of sides) {
    scene.stop();
    await database.close();
    await farebox.stop();
  }
  await chain.stop();
  await ground.stop();
}

/** A Farebox of its own with that many events of the last month, whose processes have ended. */
async function start(events: number): Promise<Side> {
  const farebox = await Farebox.start({
    ground,
    chainUrl: chain.url,
    release: 'submitted',
    worker: true,
    providers: [],
  });
  const database = new Database(farebox.config.DATABASE_URL, 1);
  const side = { farebox, scene: await UsageScene.set(farebox, DAYS), database, milliseconds: [] };
  sides.push(side);
  await side.scene.fill(events);
  await side.scene.prove();
  await farebox.endProcesses();
  await farebox.owner.query('VACUUM ANALYZE usage_cells, usage_values, usage_points');
  return side;
}

/** Asks for the month of some accounts and every meter. @returns milliseconds that each took in the database */
async function ask({ farebox, database }: Side): Promise<number[]> {
  const now = new SystemClock().now();
  const day = now - (now % DAY_MS);
  const range = { start: instant(day - (DAYS + 1) * DAY_MS), end: instant(day + DAY_MS) };
  const { rows } = await farebox.owner.query<{ id: string }>('SELECT id FROM accounts WHERE name = ANY ($1)', [
    ACCOUNTS.slice(0, 20),
  ]);
  return database.forProvider(farebox.provider, async (tx) => {
    const taken: number[] = [];
    for (const { name } of METERS) {
      const meter = await new MeterReader().find(tx, name, now);
      if (!meter) throw new Error(`there is no meter ${name}`);
      for (const { id: account } of rows) {
        let milliseconds = 0;
        const quantity = await new UsageReader().total(
          explained(tx, (ms) => (milliseconds += ms)),
          { account, meter, range, asOf: now },
        );
        if (quantity.units === 0n) throw new Error(`${account} has no usage of ${name}`);
        taken.push(milliseconds);
      }
    }
    return taken;
  });
}

/** A transaction that also has every statement explained, and tells how long it ran. */
function explained(tx: Tx, ran: (milliseconds: number) => void): Tx {
  const explain = async <T>(text: string, ...values: unknown[]): Promise<T> => {
    const [row] = await tx.$queryRawUnsafe<{ 'QUERY PLAN': [{ 'Execution Time': number }] }[]>(
      `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
      ...values,
    );
    ran(row?.['QUERY PLAN'][0]['Execution Time'] ?? Infinity);
    return tx.$queryRawUnsafe<T>(text, ...values);
  };
  return new Proxy(tx, {
    get: (target, name): unknown => (name === '$queryRawUnsafe' ? explain : Reflect.get(target, name)),
  });
}
