import { createHash } from 'node:crypto';

/** What the benches of ingest send, in each of the forms in which it is sent. The same seed gives the same events. */
export const ACCOUNTS = Array.from({ length: 200 }, (_, i) => `agent-${String(i).padStart(3, '0')}`);

interface LoadMeter {
  readonly name: string;
  readonly aggregation: 'count' | 'sum';
  readonly unit: string;
  readonly groupBy: readonly string[];
}

/** Each type of event has one meter of the same name, so that every event counts once. */
export const METERS: readonly LoadMeter[] = [
  { name: 'load.requests', aggregation: 'count', unit: 'requests', groupBy: ['region'] },
  { name: 'load.tokens', aggregation: 'sum', unit: 'tokens', groupBy: [] },
  { name: 'load.egress', aggregation: 'sum', unit: 'bytes', groupBy: [] },
];

const REGIONS = ['eu-central', 'eu-west', 'us-east', 'ap-south'];
export const SOURCE = '/compute/eu-1';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/** Batches that differ in content; a connection sends them in turn under ever new numbers or ids. */
export interface Content {
  readonly variants: number;
  /** Events in a batch. */
  readonly size: number;
  /** When the first event took place, in milliseconds since 1970. */
  readonly t0: number;
  /** The variants tell of this many days, each of ten seconds of one of them. */
  readonly days: number;
}
/** Accounts that one batch speaks of. */
const ACCOUNTS_A_BATCH = 20;
/** One batch of a stream in so many is a repeat: 2 %. */
export const REPEAT_EVERY = 50;

interface LoadEvent {
  readonly account: string;
  readonly meter: LoadMeter;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly value: number | undefined;
  readonly region: string;
}

/** `[account, meter, count, sum]`: what a batch adds. */
export type Tally = readonly [account: string, meter: string, count: number, sum: number];

/** Random numbers below 2^32, the same for the same name. */
function* numbersOf(name: string): Generator<number, never> {
  for (let block = 0; ; block += 1) {
    const bytes = createHash('sha256').update(`${name} ${block}`).digest();
    for (let at = 0; at < bytes.length; at += 4) yield bytes.readUInt32LE(at);
  }
}

/** The time before all events of a variant. */
export const startOf = (variant: number, { t0, days }: Content): number =>
  t0 + (variant % days) * DAY_MS + (days > 1 ? (Math.floor(variant / days) % 24) * HOUR_MS : 0);

/** The events of a variant: a service that serves some of the accounts, in order of time. */
export function eventsOf(variant: number, content: Content): LoadEvent[] {
  const { size } = content;
  const start = startOf(variant, content);
  const numbers = numbersOf(`variant ${variant} of ${size}`);
  const below = (limit: number): number => numbers.next().value % limit;
  const own = Array.from({ length: ACCOUNTS_A_BATCH }, () => ACCOUNTS[below(ACCOUNTS.length)] ?? '');
  const step = Math.max(1, Math.floor(10_000 / size));
  return Array.from({ length: size }, (_, i): LoadEvent => {
    const meter = METERS[below(METERS.length)];
    if (!meter) throw new Error('there are no meters');
    return {
      account: own[below(own.length)] ?? '',
      meter,
      time: start + i * step + below(step),
      value: meter.aggregation === 'sum' ? 1 + below(4_000) : undefined,
      region: REGIONS[below(REGIONS.length)] ?? '',
    };
  });
}

/**
 * Whether the event of a slot repeats the one that had it when the variant was sent before. Every other time 4 % do: what is
 * repeated was new.
 */
export const isRepeat = (slot: number): boolean => slot % 25 === 0;

/** What events add, by account and meter. `except`: slots that do not count. */
export function tallyOf(events: readonly LoadEvent[], except: (slot: number) => boolean = () => false): Tally[] {
  const tallies = new Map<string, [string, string, number, number]>();
  events.forEach(({ account, meter, value = 0 }, slot) => {
    if (except(slot)) return;
    const key = `${account} ${meter.name}`;
    const tally = tallies.get(key) ?? [account, meter.name, 0, 0];
    tally[2] += 1;
    tally[3] += value;
    tallies.set(key, tally);
  });
  return [...tallies.values()];
}

/** All of a stream batch that follows its number, as the SDK would send it. */
export function streamRest(events: readonly LoadEvent[], t0: number): Buffer {
  const types = METERS.map(({ name }) => name);
  const accounts = [...new Set(events.map(({ account }) => account))];
  const regions = [...new Set(events.map(({ region }) => region))];
  const rest = {
    t0,
    types,
    accounts,
    dimensions: regions.map((region) => ({ region })),
    columns: {
      type: events.map(({ meter }) => types.indexOf(meter.name)),
      account: events.map(({ account }) => accounts.indexOf(account)),
      time: events.map(({ time }) => time - t0),
      value: events.map(({ value }) => value ?? null),
      dimensions: events.map(({ region }) => regions.indexOf(region)),
    },
  };
  return Buffer.from(`,${JSON.stringify(rest).slice(1)}`);
}

/** Characters of an id before its slot: kind, connection and batch, which are written over the template. */
const HEAD_OF_ID = 'v00-00000000';

interface OpenTemplate {
  readonly body: Buffer;
  /** Where the heads of the ids are. */
  readonly heads: readonly number[];
}

/** A batch of CloudEvents whose ids are filled in when it is sent. */
export function openTemplate(events: readonly LoadEvent[]): OpenTemplate {
  const texts = events.map(({ account, meter, time, value, region }, slot) =>
    JSON.stringify({
      specversion: '1.0',
      id: `${HEAD_OF_ID}-${String(slot).padStart(4, '0')}`,
      source: SOURCE,
      type: meter.name,
      subject: account,
      time: new Date(time).toISOString(),
      data: { ...(value === undefined ? {} : { value: String(value) }), dimensions: { region } },
    }),
  );
  const body = Buffer.from(`[${texts.join(',')}]`);
  const heads: number[] = [];
  for (let at = body.indexOf(HEAD_OF_ID); at >= 0; at = body.indexOf(HEAD_OF_ID, at + 1)) heads.push(at);
  return { body, heads };
}

/** The first part of an id, as long as every other. */
export const headOfId = (kind: 'a' | 'v', connection: number, batch: number): string =>
  `${kind}${String(connection).padStart(2, '0')}-${batch.toString(16).padStart(8, '0')}`;

export const COPY_TABLE = `CREATE TABLE IF NOT EXISTS copied_events (
  provider text NOT NULL, source text NOT NULL, id text NOT NULL, type text NOT NULL, account text NOT NULL,
  time timestamptz(3) NOT NULL, value numeric, dimensions jsonb)`;

/** The same events as lines of COPY. */
export function copyLines(events: readonly LoadEvent[], provider: string, stream: string): Buffer {
  const lines = events.map(({ account, meter, time, value, region }, slot) =>
    [
      ...[provider, SOURCE, `${stream}.1.${slot}`, meter.name, account, new Date(time).toISOString()],
      ...[value ?? '\\N', JSON.stringify({ region })],
    ].join('\t'),
  );
  return Buffer.from(`${lines.join('\n')}\n`);
}
