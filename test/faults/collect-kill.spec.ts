import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { COLLECTION_PLACES } from '@core/collections';
import { CollectionScene } from '../support/collection-scene.js';
import { until } from '../support/until.js';

// Processes that collect die by SIGKILL at each named place, and at moments that chance picks while two of them run. Each statement is paid
// once at the rail, and the ledger says so to the cent.

/** At moments that chance picks; more are for `KILLS=50`. */
const KILLS = Number(process.env['KILLS'] ?? 2);
const STATEMENTS = 3;
const SLOW_MS = 120_000;

let scene: CollectionScene;
const children = new Set<ChildProcess>();

beforeEach(async () => {
  scene = await CollectionScene.build();
  await scene.terms({ rails: ['card'] });
});

afterEach(async () => {
  await Promise.all([...children].map(end));
  children.clear();
  await scene.close();
});

const collector = (place?: string): ChildProcess => {
  const [loader, script] = ['tools/register-typescript.mjs', 'test/faults/statement-collector.ts'].map((path) =>
    join(process.cwd(), path),
  );
  const child = spawn(
    process.execPath,
    [
      '--import',
      loader ?? '',
      script ?? '',
      scene.db.appUrl,
      scene.db.writerUrl,
      scene.standIn.url,
      ...(place === undefined ? [] : [place]),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  children.add(child);
  return child;
};

const end = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
};

/** What waits for its time is due, also what a dead worker holds a lease on. */
const untilPaid = (): Promise<unknown> =>
  until(
    'every statement to be paid',
    async () => (await scene.owner.query("SELECT 1 FROM statements WHERE state <> 'paid'")).rowCount === 0,
    async () => {
      await scene.hurry();
      await new Promise((resolve) => setTimeout(resolve, 200));
    },
    90_000,
  );

const expectOnce = async (statements: readonly string[]): Promise<void> => {
  for (const [i, statement] of statements.entries()) expect(scene.paidAtStripe(statement)).toEqual([1_000 + i]);
  const sum = statements.reduce((total, _, i) => total + 1_000n + BigInt(i), 0n);
  expect(await scene.books()).toEqual({ ledger: { '1015': sum, '4010': -sum }, due: 0n });
};

const owed = async (count: number): Promise<string[]> => {
  const statements: string[] = [];
  for (let i = 0; i < count; i += 1) statements.push(await scene.statement(1_000n + BigInt(i)));
  return statements;
};

describe('a collector that is killed', () => {
  const places = COLLECTION_PLACES.filter((place) => place !== 'collections.canceled');

  it.each(places)(
    'at %s leaves nothing undone and collects nothing twice',
    async (place) => {
      await scene.method('pm_card_visa');
      const statements = await owed(STATEMENTS);
      const killed = collector(place);
      await once(killed, 'exit');
      expect(killed.signalCode).toBe('SIGKILL');
      collector();
      await untilPaid();
      await expectOnce(statements);
    },
    SLOW_MS,
  );

  it(
    'when a refused intent was cancelled goes on with the schedule, and leaves nothing that could still be paid',
    async () => {
      await scene.method('pm_card_chargeCustomerFail');
      const [statement = ''] = await owed(1);
      const killed = collector('collections.canceled');
      await once(killed, 'exit');
      expect(killed.signalCode).toBe('SIGKILL');
      await scene.hurry();
      collector();
      await until('the schedule to go on', async () => (await scene.collection(statement)).state === 'dunning');
      expect(await scene.attempts(statement)).toEqual(['card failed generic_decline']);
      expect(scene.standIn.books().paymentIntents.map(({ status }) => status)).toEqual(['canceled']);
    },
    SLOW_MS,
  );

  it(
    `at ${KILLS} moments of chance, with another one beside it, collects each statement once`,
    async () => {
      await scene.method('pm_card_visa');
      const statements = await owed(24);
      scene.standIn.faults.add({ share: 0.1, kinds: ['error_after', 'close_after', 'slow'], holdMs: 200 });
      for (let i = 0; i < KILLS; i += 1) {
        const child = collector();
        await Promise.race([once(child.stdout ?? child, 'data'), once(child, 'exit')]);
        await new Promise((resolve) => setTimeout(resolve, 50 + Math.random() * 500));
        await scene.hurry();
        const other = collector();
        await Promise.race([once(other.stdout ?? other, 'data'), once(other, 'exit')]);
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 300));
        await Promise.all([end(child), end(other)]);
      }
      collector();
      collector();
      await untilPaid();
      await expectOnce(statements);
    },
    SLOW_MS,
  );
});
