import { readFileSync } from 'node:fs';
import type { Farebox } from './farebox.js';
import { type Row, rowOf } from './report.js';
import type { UsageScene } from './usage-scene.js';

const EVERY_MS = 5_000;
/** Share of the time that counts as warming up, at most two minutes. */
const WARM_UP = 0.2;
const WARM_UP_MOST_MS = 120_000;
const MEBIBYTE = 1024 * 1024;

interface Sample {
  readonly atMs: number;
  /** Mebibytes. */
  readonly resident: number;
  readonly heap: number;
}

/** Full ingest through all doors in turn for so many minutes; whether the memory of the api stays flat once it is warm. */
export async function watchMemory(farebox: Farebox, scene: UsageScene, minutes: number): Promise<Row> {
  const start = performance.now();
  const [end, samples] = [start + minutes * 60_000, [] as Sample[]];
  let taking: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    taking = sample(farebox, performance.now() - start).then((taken) => void samples.push(taken));
  }, EVERY_MS);
  try {
    while (performance.now() < end) {
      for (const [kind, size, seconds] of TURNS) await scene.ingest(kind, size, seconds);
    }
  } finally {
    clearInterval(timer);
  }
  await taking;
  await scene.prove();
  const warm = Math.min(minutes * 60_000 * WARM_UP, WARM_UP_MOST_MS);
  const after = samples.filter(({ atMs }) => atMs >= warm);
  const [resident, heap] = [spread(after, 'resident'), spread(after, 'heap')];
  const say = (name: string, { least, most, slope }: ReturnType<typeof spread>) =>
    `${name} ${least.toFixed(0)} to ${most.toFixed(0)} MiB, ${slope >= 0 ? '+' : ''}${slope.toFixed(2)} MiB a minute`;
  process.stdout.write(
    `${scene.acknowledged.toLocaleString('en-US')} events in ${minutes} minutes: sent = stored = aggregated\n` +
      `${after.length} samples after ${(warm / 1_000).toFixed(0)} s: ${say('resident', resident)}; ${say('heap used', heap)}\n`,
  );
  const third = Math.floor(after.length / 3);
  const early = after.slice(0, third).map((each) => each.resident);
  const late = after.slice(-third).map((each) => each.resident);
  return rowOf({
    path: `memory of the api, ${minutes} minutes of full ingest`,
    unit: 'MiB resident, last third',
    referenceName: 'first third after warm-up',
    target: 1.1,
    lessIsBetter: true,
    ours: late,
    reference: early,
  });
}

const TURNS = [
  ['stream', 100, 10],
  ['verdicts', 100, 5],
  ['stream', 1_000, 10],
  ['accepted', 100, 5],
] as const;

async function sample(farebox: Farebox, atMs: number): Promise<Sample> {
  const [api] = farebox.named('api');
  const status = readFileSync(`/proc/${api?.pid}/status`, 'utf8');
  const metrics = await fetch(`${farebox.url}/metrics`).then((response) => response.text());
  return {
    atMs,
    resident: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024,
    heap: Number(/^nodejs_heap_size_used_bytes (\S+)/m.exec(metrics)?.[1]) / MEBIBYTE,
  };
}

/** Least and most of a measure, and by how much it grows in a minute (least squares). */
function spread(samples: readonly Sample[], measure: 'resident' | 'heap') {
  const points = samples.map((each) => ({ x: each.atMs / 60_000, y: each[measure] }));
  const mean = (of: 'x' | 'y'): number => points.reduce((sum, point) => sum + point[of], 0) / points.length;
  const [x, y] = [mean('x'), mean('y')];
  const slope =
    points.reduce((sum, point) => sum + (point.x - x) * (point.y - y), 0) /
    points.reduce((sum, point) => sum + (point.x - x) ** 2, 0);
  const values = points.map((point) => point.y);
  return { least: Math.min(...values), most: Math.max(...values), slope };
}
