import fc from 'fast-check';
import { HandClock, until } from '../test/hand-clock.js';
import { IngestStandIn, type Misbehaviour } from '../test/ingest-stand-in.js';
import { scratchFolder } from '../test/scratch-folder.js';
import { type Counters, Metering } from './index.js';
import { diskSpool } from './spool.js';

let server: IngestStandIn;
beforeEach(async () => {
  server = await IngestStandIn.start();
});
afterEach(() => server.stop());

const ended = ({ acknowledged, duplicate, conflict, held, rejected, dropped }: Counters): number =>
  acknowledged + duplicate + conflict + held + rejected + dropped;

/** Holds at every moment, and is looked at in every one that a test can see. */
function expectBalanced(counters: Counters): void {
  expect(counters.queued).toBe(ended(counters) + counters.waiting);
  expect(counters.waiting).toBeGreaterThanOrEqual(0);
  expect(counters.spilled).toBeLessThanOrEqual(counters.spooled);
}

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('record' as const), own: fc.boolean(), meter: fc.nat(9) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.constantFrom(1, 200, 1_000, 5_000) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('flush' as const) }) },
);
const misbehaviour: fc.Arbitrary<Misbehaviour | undefined> = fc.constantFrom<Misbehaviour | undefined>(
  undefined,
  undefined,
  'hang up',
  'take and hang up',
  { status: 503 },
  { status: 400 },
  { status: 413 },
  { status: 409 },
);

describe('the counters', () => {
  it.each([false, true])(
    'add up, whatever happens (spool: %s)',
    async (isSpooled) => {
      const ways = fc.tuple(fc.array(step, { minLength: 5, maxLength: 40 }), fc.array(misbehaviour, { maxLength: 15 }));
      const property = fc.asyncProperty(ways, async ([steps, misbehaviours]) => {
        const clock = new HandClock();
        const folder = scratchFolder();
        const left = [...misbehaviours];
        server.misbehave = () => left.shift();
        for (const [meter, verdict] of [
          ['m0', 'held'],
          ['m1', 'rejected'],
          ['m2', 'conflict'],
        ] as const)
          server.refusedMeters.set(meter, verdict);
        const seen = (): void => expectBalanced(client.counters());
        const client: Metering = new Metering({
          url: server.url,
          key: 'k',
          source: '/s',
          now: clock.now,
          elapsed: clock.elapsed,
          timer: clock.timer,
          batch: { maxEvents: 4 },
          queue: { maxEvents: 6, whenFull: isSpooled ? 'spill' : 'reject' },
          retry: { attempts: 3 },
          onError: seen,
          onVerdict: () => undefined,
          onBatch: seen,
          onRetry: seen,
          ...(isSpooled && { spool: diskSpool({ dir: folder.path, fsync: false }) }),
        });
        let recorded = 0;
        for (const [index, one] of steps.entries()) {
          if (one.kind === 'advance') clock.advance(one.ms);
          if (one.kind === 'flush') void client.flush({ deadlineMs: 1 });
          if (one.kind === 'record') {
            const own = one.own ? { id: `${folder.path}-${index}` } : {};
            await client.record({ meter: `m${one.meter}`, account: 'a', ...own }).then(
              () => (recorded += 1),
              () => undefined,
            );
          }
          seen();
        }
        expect(client.counters().queued).toBe(recorded);
        let isClosed = false;
        const closed = client.close().finally(() => (isClosed = true));
        await until(() => {
          if (!isClosed) clock.advance(1_000);
          return isClosed;
        });
        await closed;
        seen();
        expect(ended(client.counters())).toBe(recorded);
        folder.remove();
      });
      await fc.assert(property, { numRuns: 40 });
    },
    60_000,
  );
});
