// Usage through the two doors, durable, deduplicated and aggregated, beside COPY of the same rows into a bare table of the same
// server: no key, no check, no index. Both wait for the disk at every commit. COPY runs over one session, as a loader would, and
// over as many as there are senders, which is all that the machine can do. 2 % of what is sent are repeats, which are answered
// and not counted.
// --minutes 10: full ingest for that long, watching the memory of the api.
import { startChain } from '../../tools/servers/chain.mjs';
import { placeUsdc } from '../../tools/servers/usdc.mjs';
import { Farebox } from './support/farebox.js';
import { startGround } from './support/ground.js';
import { watchMemory } from './support/memory-watch.js';
import { median, report, type Row, rowOf, short } from './support/report.js';
import { type Copied, type Ingested, SENDERS, UsageScene } from './support/usage-scene.js';

const ROUNDS = short ? 2 : 5;
const SECONDS = short ? 1.5 : 8;
/** Aggregates follow an acknowledgement within so many seconds. */
const LAG = 5;

const minutesAt = process.argv.findIndex((argument) => argument.startsWith('--minutes'));
const MINUTES = Number(process.argv[minutesAt]?.split('=')[1] ?? process.argv[minutesAt + 1]);

const DOORS = [
  { path: 'stream door, batches of 100', kind: 'stream', size: 100, target: 3 },
  { path: 'open door, batches of 100, respond-async', kind: 'accepted', size: 100, target: 0.9 },
  { path: 'open door, batches of 100, with verdicts', kind: 'verdicts', size: 100, target: 0.65 },
  { path: 'stream door, batches of 1000', kind: 'stream', size: 1_000, target: 4 },
] as const;

const ground = await startGround();
const chain = await startChain();
try {
  await placeUsdc(chain.url);
  const farebox = await Farebox.start({
    ground,
    chainUrl: chain.url,
    release: 'submitted',
    worker: true,
    providers: [],
  });
  const scene = await UsageScene.set(farebox);
  try {
    if (minutesAt >= 0) report('ingest-memory', [await watchMemory(farebox, scene, MINUTES)]);
    else report('ingest', await measure(scene));
  } finally {
    scene.stop();
    await farebox.stop();
  }
} finally {
  await chain.stop();
  await ground.stop();
}

async function measure(scene: UsageScene): Promise<Row[]> {
  for (const { kind, size } of DOORS) {
    await scene.copy(size, 0.5, SENDERS);
    await scene.ingest(kind, size, 1.5);
  }
  const taken = DOORS.map((door) => ({ door, one: [] as Copied[], many: [] as Copied[], ingested: [] as Ingested[] }));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { door, one, many, ingested } of taken) {
      one.push(await scene.copy(door.size, SECONDS / 3, 1));
      ingested.push(await scene.ingest(door.kind, door.size, SECONDS));
      many.push(await scene.copy(door.size, SECONDS / 3, SENDERS));
      await scene.clearCopied();
    }
  }
  await scene.prove();
  process.stdout.write(`${scene.acknowledged.toLocaleString('en-US')} events: sent = stored = aggregated\n`);
  for (const { door, ingested } of taken) process.stdout.write(`${door.path}: ${details(ingested)}\n`);
  const rows = (
    unit: string,
    ours: 'perSecond' | 'aggregatedPerSecond' | 'perCpuSecond',
    copied: 'one' | 'many',
    measure: keyof Copied = 'perSecond',
  ): Row[] =>
    taken.map(({ door: { path, size, target }, ingested, ...references }) =>
      rowOf({
        path,
        unit,
        referenceName: `COPY of ${size}, ${copied === 'one' ? 'one session' : `${SENDERS} sessions`}`,
        target,
        ours: ingested.map((each) => each[ours]),
        reference: references[copied].map((each) => each[measure]),
      }),
    );
  const lags = taken.flatMap(({ ingested }) => ingested.map(({ lag }) => lag));
  const lag = rowOf({
    path: 'aggregates after the last answer, at worst',
    unit: 's',
    referenceName: 'allowed',
    target: 1,
    lessIsBetter: true,
    ours: [Math.max(...lags)],
    reference: [LAG],
  });
  return [
    ...rows('new events/s, acknowledged', 'perSecond', 'one'),
    ...rows('new events/s, until aggregated', 'aggregatedPerSecond', 'one'),
    ...rows('new events/s, acknowledged', 'perSecond', 'many'),
    ...rows('new events/s, until aggregated', 'aggregatedPerSecond', 'many'),
    ...rows('new events per CPU-second of the servers', 'perCpuSecond', 'many', 'perCpuSecond'),
    { ...lag, rounds: lags.length },
  ];
}

/** Times of answers, and who took the processor. */
function details(ingested: readonly Ingested[]): string {
  const of = (read: (each: Ingested) => number, digits: number): string => median(ingested.map(read)).toFixed(digits);
  const times = `p50 ${of(({ p50 }) => p50, 1)} ms, p99 ${of(({ p99 }) => p99, 1)} ms, aggregated ${of(({ lag }) => lag, 2)} s after the last answer`;
  const costs = (['api', 'worker', 'database', 'generator'] as const).map(
    (who) => `${who} ${of((each) => each.costs[who], 2)}`,
  );
  return `${times}; CPU µs an event: ${costs.join(', ')}`;
}
