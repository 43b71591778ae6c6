import fc from 'fast-check';
import type { LoggedEvent } from '@core/metering';
import { formatDecimal, parseDecimal } from '@core/money';
import { type Instant, type Period, formatInstant, instant, overlap, zonedWindowsOf } from '@core/time';
import { NaiveUsage } from '../../../../../test/support/naive-usage.js';
import { WrittenLog, at } from '../../../../../test/support/written-log.js';
import { CutUsage, ReviseMeter, type StoredMeter, UsageReader } from '../index.js';

const MINUTE = 60_000;
const QUARTER = 15 * MINUTE;
const SPAN = 3 * 86_400_000;
const start = at('2026-11-01T00:00:00Z');
const asOf = at('2026-11-03T18:07:30.250Z');
const clock = { now: () => asOf };
/** Definitions change in the middle of what is sent later. */
const early = { now: () => start };
const reader = new UsageReader();
const HISTORIES = Number(process.env.HISTORIES ?? 8);

let opened: WrittenLog;
beforeAll(async () => {
  opened = await WrittenLog.open(clock);
});
afterAll(() => opened.close());

const decimalOf = (text: string) => parseDecimal(text) ?? { units: 1n, scale: 0 };

/** Meters of every aggregation; `calls`, `values` and `people` hear the same events. */
async function meters(log: WrittenLog): Promise<StoredMeter[]> {
  const own: Parameters<WrittenLog['meter']>[0][] = [
    { name: 'calls', eventType: 'api', aggregation: 'count', unit: 'call', groupBy: ['region', 'tier'] },
    {
      name: 'sums',
      eventType: 'api',
      aggregation: 'sum',
      unit: 'byte',
      groupBy: ['region'],
      itemized: true,
      effectiveAt: start,
    },
    {
      name: 'people',
      eventType: 'api',
      aggregation: 'unique',
      unit: 'user',
      property: 'user',
      groupBy: ['region'],
      effectiveAt: start,
    },
    {
      name: 'most',
      eventType: 'api',
      aggregation: 'max',
      unit: 'byte',
      filters: [{ dimension: 'region', notIn: ['eu'] }],
      effectiveAt: start,
    },
    { name: 'least', eventType: 'api', aggregation: 'min', unit: 'byte', groupBy: ['tier'], effectiveAt: start },
    {
      name: 'mean',
      eventType: 'api',
      aggregation: 'average',
      unit: 'byte',
      effectiveAt: instant(start + 31 * 3_600_000 + 1),
    },
    {
      name: 'last',
      eventType: 'api',
      aggregation: 'latest',
      unit: 'byte',
      carryOver: true,
      groupBy: ['region'],
      effectiveAt: start,
    },
    { name: 'newest', eventType: 'api', aggregation: 'latest', unit: 'byte', effectiveAt: start },
    {
      name: 'disk',
      aggregation: 'level',
      unit: 'byte',
      conversion: { divideBy: decimalOf('3600'), unit: 'byte-hour' },
    },
    {
      name: 'vm',
      aggregation: 'duration',
      unit: 'vcpu',
      duration: {
        minimumSeconds: decimalOf('60'),
        incrementSeconds: decimalOf('7.5'),
        heartbeatLimitSeconds: decimalOf('20000'),
      },
    },
  ];
  const made: StoredMeter[] = [];
  for (const definition of own) made.push(await log.meter(definition));
  return made;
}

const time = fc.oneof(
  fc.integer({ min: 0, max: SPAN - 1 }),
  fc.integer({ min: 0, max: 40 }).map((n) => n * QUARTER * 7),
);
const quantity = fc.constantFrom('0', '1', '2.50', '2.5', '17', '0.001', '900719925474099312.25');
const dimensions = fc.record(
  { region: fc.constantFrom('eu', 'us', ''), tier: fc.constantFrom('a', 'b'), user: fc.constantFrom('u1', 'u2', 'u3') },
  { requiredKeys: [] },
);
const resource = fc.constantFrom(undefined, 'r1', 'r2');
type Draft = {
  readonly type: string;
  readonly time: number;
  readonly subject: string;
  readonly data: Partial<LoggedEvent>;
};
const subject = fc.constantFrom('agent-1', 'agent-1', 'agent-1', 'agent-2', 'nobody');
const draft: fc.Arbitrary<Draft> = fc.oneof(
  fc.record({
    type: fc.constant('api'),
    time,
    subject,
    data: fc.record({ value: quantity, dimensions }, { requiredKeys: ['dimensions'] }),
  }),
  fc.record({
    type: fc.constant('disk'),
    time,
    subject,
    data: fc.oneof(
      fc.record({ level: quantity, resource }),
      fc.record({ delta: fc.constantFrom('1', '-1', '5', '-2.5'), resource }),
    ),
  }),
  fc.record({
    type: fc.constant('vm'),
    time,
    subject,
    data: fc.oneof(
      fc.record({
        action: fc.constantFrom('start' as const, 'resize' as const),
        weight: fc.constantFrom('1', '2', '0.5'),
        resource,
      }),
      fc.record({ action: fc.constantFrom('stop' as const, 'heartbeat' as const), resource }),
    ),
  }),
);
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('send' as const),
      drafts: fc.array(draft, { minLength: 1, maxLength: 8 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('sell' as const), meter: fc.nat(), time, quantity }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('correct' as const), which: fc.nat(), to: fc.option(draft) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const), meter: fc.nat(), time }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('revise' as const),
      meter: fc.nat(),
      time,
      groupBy: fc.subarray(['region', 'tier']),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('roll up' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer Each> ? Each : never;

/** Plays a history against the log and the model alike. */
class History {
  readonly model = new NaiveUsage();
  constructor(
    private readonly log: WrittenLog,
    readonly meters: readonly StoredMeter[],
  ) {}

  async play(step: Step): Promise<void> {
    const { log, model } = this;
    switch (step.do) {
      case 'send': {
        const events = step.drafts.map(({ type, time: ms, subject, data }) =>
          log.event(type, start + ms, { subject, ...present(data) }),
        );
        const position = await log.send(events);
        events.forEach((event, ordinal) => model.events.push({ event, receipt: { position, ordinal } }));
        return;
      }
      case 'sell': {
        const meter = this.#meter(step.meter);
        await log.sell(meter, start + step.time, step.quantity);
        model.sold.push({ meter: meter.number, time: start + step.time, quantity: step.quantity });
        return;
      }
      case 'correct':
        return this.#correct(step.which, step.to);
      case 'cut':
        await log.database.forProvider(log.provider, (tx) =>
          new CutUsage().at(tx, {
            provider: log.provider,
            meter: this.#meter(step.meter).number,
            at: instant(start + step.time),
          }),
        );
        return;
      case 'revise': {
        const revise = new ReviseMeter(log.database, early);
        const meter = await log.fresh(this.#meter(step.meter));
        const effectiveAt = instant(start + step.time);
        if (effectiveAt <= (meter.versions.at(-1)?.effectiveAt ?? 0)) return;
        await revise.run({ provider: log.provider, meter: meter.id, rules: { groupBy: step.groupBy }, effectiveAt });
        return;
      }
      case 'roll up':
        await log.rollUp({ entries: 3 }).run({ through: 'now' });
    }
  }

  async #correct(which: number, to: Draft | null): Promise<void> {
    const { log, model } = this;
    const index = which % Math.max(model.events.length, 1);
    const counted = model.events[index];
    if (!counted) return;
    const { event, receipt } = counted;
    const amended = to && {
      ...log.event(to.type, start + to.time, present(to.data)),
      id: event.id,
      subject: event.subject,
    };
    const part = (sign: 1 | -1, of: LoggedEvent) => {
      const { body, accounts } = log.batch([of]);
      return { sign, batch: body, accounts, receipts: [[String(receipt.position), receipt.ordinal]] };
    };
    const times = [event.time, ...(amended ? [amended.time] : [])];
    await log.append({
      kind: 'change',
      body: { parts: [part(-1, event), ...(amended ? [part(1, amended)] : [])] },
      events: times.length,
      since: Math.min(...times),
      until: Math.max(...times),
      accounts: [],
    });
    model.events.splice(index, 1, ...(amended ? [{ event: amended, receipt }] : []));
  }

  #meter(which: number): StoredMeter {
    const meter = this.meters[which % this.meters.length];
    if (!meter) throw new Error('there are no meters');
    return meter;
  }
}

/** Without what is undefined, as events are written. */
const present = (data: Partial<LoggedEvent>): Partial<LoggedEvent> => JSON.parse(JSON.stringify(data));

const bounds = fc.tuple(fc.nat(), fc.nat(), fc.nat(), fc.nat());
const grid = (n: number) => start + (n % (SPAN / QUARTER)) * QUARTER;

/** A range between two instants at which a cell of the meter may begin, half of them where it is cut. */
function rangeOf(meter: StoredMeter, [a, b, c, d]: readonly [number, number, number, number]): Period {
  const own = meter.cuts.filter((cut) => cut > start && cut < start + SPAN);
  const pick = (n: number, m: number): Instant =>
    own.length > 0 && m % 2 === 0 ? (own[n % own.length] ?? start) : instant(grid(n));
  const [from, to] = [pick(a, c), pick(b, d)];
  return { start: from < to ? from : to, end: from < to ? to : from > to ? from : instant(start + SPAN) };
}

describe('any history', () => {
  it(
    'is counted as going through its events counts it, and a rebuild changes nothing',
    async () => {
      const property = fc.asyncProperty(
        fc.array(step, { minLength: 6, maxLength: 24 }),
        bounds,
        bounds,
        async (steps, one, two) => {
          const log = await opened.another();
          const history = new History(log, await meters(log));
          for (const each of steps) await history.play(each);
          await log.rollUp().run({ through: 'now' });
          expect(await log.rebuild().compare({ provider: log.provider })).toEqual([]);
          for (const old of history.meters) {
            const meter = await log.fresh(old);
            const ranges = [rangeOf(meter, one), rangeOf(meter, two), { start, end: instant(start + SPAN) }];
            await log.database.forProvider(log.provider, async (tx) => {
              for (const range of ranges) await compareAll(tx, log, history.model, meter, range);
            });
          }
          await log.rebuild().run({ provider: log.provider });
          expect(await log.rebuild().compare({ provider: log.provider })).toEqual([]);
        },
      );
      await fc.assert(property, { endOnFailure: true, numRuns: HISTORIES });
    },
    60_000 + HISTORIES * 20_000,
  );
});

async function compareAll(
  tx: Parameters<UsageReader['total']>[0],
  log: WrittenLog,
  model: NaiveUsage,
  meter: StoredMeter,
  range: Period,
): Promise<void> {
  const query = { account: log.seeded.account, meter, range, asOf };
  const naive = (period: Period, unsoldOnly = false) =>
    formatDecimal(model.quantity(meter, 'agent-1', period, asOf, unsoldOnly));
  const shown = { meter: meter.name, from: formatInstant(range.start), to: formatInstant(range.end) };
  for (const unsoldOnly of [false, true]) {
    const found = formatDecimal(await reader.total(tx, { ...query, unsoldOnly }));
    expect({ ...shown, unsoldOnly, found }).toEqual({ ...shown, unsoldOnly, found: naive(range, unsoldOnly) });
  }
  const zone = 'Asia/Kathmandu';
  const windows = await reader.windows(tx, { ...query, window: 'day', zone });
  const expected = zonedWindowsOf(range, 'day', zone).flatMap((window) => overlap(window, range) ?? []);
  expect({ ...shown, windows: windows.map(({ quantity: each }) => formatDecimal(each)) }).toEqual({
    ...shown,
    windows: expected.map((window) => naive(window)),
  });
  const by = meter.groupBy.slice(0, 1);
  if (by.length === 0) return;
  const groups = await reader.groups(tx, { ...query, by, unsoldOnly: true });
  const tuples = model.groups(meter, 'agent-1', range, asOf, by);
  const zero = (text: string) => text !== '0';
  expect({
    ...shown,
    groups: groups
      .map(({ dimensions: each, quantity: q }) => [JSON.stringify(by.map((name) => each[name])), formatDecimal(q)])
      .filter(([, q]) => zero(q ?? '')),
  }).toEqual({
    ...shown,
    groups: [...tuples]
      .map(([tuple, q]) => [tuple, formatDecimal(q)])
      .sort(([a = ''], [b = '']) => (a < b ? -1 : 1))
      .filter(([, q]) => zero(q ?? '')),
  });
}
