// What the open door costs when very many ids are stored already, beside few. Every event is looked up among all of them. Ids are
// stored by their hash, so that how senders make them matters to nobody.
import { Writer } from '@platform/database';
import { MaintainUsage } from '@features/metering';
import { startChain } from '../../tools/servers/chain.mjs';
import { placeUsdc } from '../../tools/servers/usdc.mjs';
import { Farebox } from './support/farebox.js';
import { startGround } from './support/ground.js';
import { report, rowOf, short } from './support/report.js';
import { UsageScene } from './support/usage-scene.js';

const ROUNDS = short ? 2 : 5;
const SECONDS = short ? 1.5 : 4;
const SIZE = 100;
/** Ids in a segment, those that wait to be folded, and how many segments the larger side has. */
const [SEGMENT, OPEN, SEGMENTS] = short ? [100_000, 50_000, 4] : [1_000_000, 500_000, 20];

/** Ids as the product stores them, of events sent long ago, a thousand a commit. */
const STORED = `INSERT INTO identity_runs (run, records, positions, counts)
  SELECT nextval('identity_run'), string_agg(substr(sha256(convert_to($1 || E'\\n/before\\n' || g, 'UTF8')), 1, 16)
    || '\\x000000000000000000000000'::bytea, ''::bytea), ARRAY[0], ARRAY[count(*)]
  FROM generate_series($2::int, $3::int) AS g GROUP BY g / 1000`;

interface Side {
  readonly farebox: Farebox;
  readonly scene: UsageScene;
  readonly rates: number[];
}

const ground = await startGround();
const chain = await startChain();
const sides: Side[] = [];
try {
  await placeUsdc(chain.url);
  const few = await start(0);
  const many = await start(SEGMENTS);
  for (const side of [few, many]) await side.scene.send('verdicts', SIZE, 1.5);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { scene, rates } of [few, many]) {
      const { events, ms } = await scene.send('verdicts', SIZE, SECONDS);
      rates.push((events / ms) * 1_000);
    }
  }
  for (const { farebox, scene } of sides) {
    const stored = await farebox.count('SELECT sum(events - coalesce(cardinality(skip), 0)) FROM usage_log');
    if (stored !== scene.acknowledged)
      throw new Error(`${scene.acknowledged} events were acknowledged and ${stored} are stored`);
  }
  const microseconds = ({ rates }: Side): number[] => rates.map((rate) => 1e6 / rate);
  const stored = (millions: number): string => `${millions.toLocaleString('en-US')} ids stored`;
  report('dedupe', [
    rowOf({
      path: `open door with verdicts, batches of ${SIZE}, ${stored(SEGMENTS * SEGMENT + OPEN)}`,
      unit: 'µs an event',
      referenceName: stored(OPEN),
      target: 1.3,
      lessIsBetter: true,
      ours: microseconds(many),
      reference: microseconds(few),
    }),
  ]);
} finally {
  for (const { farebox, scene } of sides) {
    scene.stop();
    await farebox.stop();
  }
  await chain.stop();
  await ground.stop();
}

/** A Farebox of its own that has stored so many segments of ids, folded as the product does it. */
async function start(segments: number): Promise<Side> {
  const farebox = await Farebox.start({
    ground,
    chainUrl: chain.url,
    release: 'submitted',
    worker: false,
    providers: [],
  });
  const side = { farebox, scene: await UsageScene.set(farebox), rates: [] };
  sides.push(side);
  const writer = new Writer(farebox.config.DATABASE_WRITER_URL, 2);
  try {
    const known = await sendKnown(side, 'accepted');
    for (let segment = 0; segment < segments; segment += 1) {
      const from = segment * SEGMENT;
      await farebox.owner.query(STORED, [farebox.provider, from, from + SEGMENT - 1]);
      const { folded } = await new MaintainUsage(writer, SEGMENT).run();
      if (folded === undefined) throw new Error('enough identities waited and were not folded');
    }
    await farebox.owner.query(STORED, [farebox.provider, segments * SEGMENT, segments * SEGMENT + OPEN - 1]);
    await farebox.owner.query('VACUUM ANALYZE identity_runs');
    await sendKnown(side, 'duplicate', known);
  } finally {
    await writer.close();
  }
  return side;
}

/** Sends some events, and later the same once more: they must be found, in whichever segment they are by then. */
async function sendKnown({ farebox, scene }: Side, verdict: 'accepted' | 'duplicate', sent?: string): Promise<string> {
  const body = sent ?? JSON.stringify(scene.someEvents(SIZE));
  const response = await fetch(`${farebox.url}/v1/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${farebox.key}`, 'content-type': 'application/cloudevents-batch+json' },
    body,
  });
  const answer = await response.text();
  if (!answer.includes(`"${verdict}":${SIZE},`))
    throw new Error(`expected ${SIZE} to be ${verdict}: ${answer.slice(0, 300)}`);
  return body;
}
