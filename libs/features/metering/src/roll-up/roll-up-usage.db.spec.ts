import { ID_PREFIXES } from '@core/ids';
import { parseDecimal } from '@core/money';
import { type Clock, type Period } from '@core/time';
import { formatDecimal } from '@core/money';
import { Writer, type WriterTx } from '@platform/database';
import { Outbox } from '@platform/queues';
import { SystemIds } from '@platform/system';
import { WrittenLog, at, period } from '../../../../../test/support/written-log.js';
import { RollUpUsage, type StoredMeter, UsageReader } from '../index.js';

const noon = at('2026-11-21T12:00:00Z');
const clock: Clock = { now: () => noon };
const reader = new UsageReader();
const month = period('2026-11-01T00:00:00Z', '2026-12-01T00:00:00Z');

let opened: WrittenLog;
let log: WrittenLog;

beforeAll(async () => {
  opened = await WrittenLog.open(clock);
});
beforeEach(async () => {
  log = await opened.another();
});
afterAll(() => opened.close());

const total = async (meter: StoredMeter, range: Period = month): Promise<string> => {
  const fresh = await log.fresh(meter);
  const query = { account: log.seeded.account, meter: fresh, range, asOf: noon };
  return formatDecimal(await log.database.forProvider(log.provider, (tx) => reader.total(tx, query)));
};
const calls = () => log.meter({ name: 'calls', aggregation: 'count', unit: 'call' });
const matches = async () => expect(await log.rebuild().compare({ provider: log.provider })).toEqual([]);

describe('the roll-up', () => {
  it('counts what the log says, once, and then has nothing left to do', async () => {
    const [meter, seconds] = [await calls(), await log.meter({ name: 'seconds', aggregation: 'sum', unit: 'second' })];
    await log.send([
      log.event('calls', '2026-11-03T00:00:00Z'),
      log.event('calls', '2026-11-03T23:59:59.999Z'),
      log.event('seconds', '2026-11-03T10:00:00Z', { value: '0.1' }),
      log.event('seconds', '2026-11-04T11:00:00Z', { value: '0.2' }),
      log.event('calls', '2026-11-04T11:00:00Z', { subject: 'nobody' }),
    ]);
    expect(await log.rollUp().run({ through: 'now' })).toEqual({ entries: 1, events: 5, behind: 0 });
    expect(await log.rollUp().run({ through: 'now' })).toEqual({ entries: 0, events: 0, behind: 0 });
    expect([await total(meter), await total(seconds)]).toEqual(['2', '0.3']);
    await matches();
  });

  it('holds what goes beyond the ceiling of an hour, in the order of the log, and nothing that was let through', async () => {
    const limit = parseDecimal('10');
    const meter = await log.meter({
      name: 'bytes',
      aggregation: 'sum',
      unit: 'byte',
      ...(limit ? { limits: { perHour: limit } } : {}),
    });
    const send = (value: string, time = '2026-11-03T10:05:00Z') => log.event('bytes', time, { value });
    const refused = [send('5'), send('3')];
    await log.send([send('4'), send('4')]);
    await log.send([refused[0] ?? send('0'), send('2'), send('9', '2026-11-03T11:00:00Z')]);
    await log.rollUp({ entries: 1 }).run({ through: 'now' });
    await log.send(refused.slice(1));
    await log.rollUp().run({ through: 'now' });
    expect(await total(meter)).toBe('19');
    expect(await log.held()).toMatchObject(refused.map(({ id }) => ({ reason: 'over_hour_ceiling', id })));
    const part = log.batch([send('100')]);
    await log.append({
      ...part,
      kind: 'change',
      body: { parts: [{ sign: 1, batch: part.body, accounts: part.accounts }], unlimited: true },
    });
    await log.rollUp().run({ through: 'now' });
    expect(await total(meter)).toBe('119');
    await matches();
  });

  it('keeps the first series of a day apart and counts the rest together, whatever is taken away', async () => {
    const meter = await log.meter({ name: 'calls', aggregation: 'count', unit: 'call', groupBy: ['region'] });
    const call = (region: string, day = '03') =>
      log.event('calls', `2026-11-${day}T10:00:00Z`, { dimensions: { region } });
    const rollUp = log.rollUp({ mostSeries: 3, entries: 2 });
    const [a, e] = [call('a'), call('e')];
    const position = await log.send([call('z'), a, e, call('d'), call('c'), call('d')]);
    await log.send([call('b'), call('z'), call('q', '04')]);
    await rollUp.run({ through: 'now' });
    const minus = (ordinal: number, of: ReturnType<typeof call>) => {
      const part = log.batch([of]);
      const body = {
        parts: [{ sign: -1, batch: part.body, accounts: part.accounts, receipts: [[String(position), ordinal]] }],
      };
      return log.append({ ...part, kind: 'change', body });
    };
    await minus(1, a);
    await minus(3, call('d'));
    await log.send([call('f'), call('a')]);
    await rollUp.run({ through: 'now' });
    const groups = await log.database.forProvider(log.provider, (tx) =>
      reader.groups(tx, { account: log.seeded.account, meter, range: month, asOf: noon, by: ['region'] }),
    );
    const found = Object.fromEntries(
      groups.map(({ dimensions, quantity }) => [dimensions.region, formatDecimal(quantity)]),
    );
    expect(found).toEqual({ z: '2', a: '1', e: '1', q: '1', '(other)': '4' });
    expect(await log.rebuild(3).compare({ provider: log.provider })).toEqual([]);
  });

  it('starts again where it was when a page fails, and puts an entry aside that always fails', async () => {
    const meter = await calls();
    const call = () => log.event('calls', '2026-11-03T10:00:00Z');
    await log.send([call()]);
    const bad = await log.append({ ...log.batch([call(), call()]), body: '{"t0":1,"types":["calls"]' });
    await log.send([call()]);
    const rollUp = log.rollUp();
    await expect(rollUp.run({ through: 'now' })).rejects.toThrow(SyntaxError);
    expect(await total(meter)).toBe('1');
    await expect(rollUp.run({ through: 'now' })).rejects.toThrow(SyntaxError);
    expect(await rollUp.run({ through: 'now' })).toMatchObject({ behind: 0 });
    expect(await total(meter)).toBe('2');
    expect(await log.held()).toMatchObject([{ reason: 'unreadable', id: String(bad) }]);
    const body = await log.writer.query('SELECT body FROM usage_log WHERE position = $1', [String(bad)]);
    expect(body).toHaveLength(1);
  });

  it('counts once when several roll up at the same time', async () => {
    const meter = await calls();
    for (let i = 0; i < 30; i += 1)
      await log.send([log.event('calls', '2026-11-03T10:00:00Z'), log.event('calls', '2026-11-04T10:00:00Z')]);
    await Promise.all([1, 2, 3].map(() => log.rollUp({ entries: 2 }).run({ through: 'now' })));
    expect(await total(meter)).toBe('60');
    await matches();
  });

  it('may be ended at any statement, and counts once all the same', async () => {
    const meter = await log.meter({ name: 'calls', aggregation: 'count', unit: 'call', groupBy: ['region'] });
    let left = 0;
    class Ending extends Writer {
      override transaction<T>(run: (tx: WriterTx) => Promise<T>): Promise<T> {
        return super.transaction((tx) =>
          run({
            ...tx,
            query: async (text, values) => {
              if ((left -= 1) === 0) throw Object.assign(new Error('ended'), { code: '57P01' });
              return tx.query(text, values);
            },
          }),
        );
      }
    }
    const ending = new Ending(log.db.writerUrl, 3);
    let ended = 0;
    try {
      const rollUp = new RollUpUsage(ending, new Outbox(), clock, { entries: 2 });
      for (let at = 1; at <= 30; at += 1) {
        const event = log.event('calls', '2026-11-03T10:00:00Z', { dimensions: { region: String(at % 3) } });
        await log.send([event]);
        await log.send([log.event('calls', '2026-11-03T11:00:00Z')]);
        left = at;
        await rollUp.run({ through: 'now' }).catch((error: unknown) => {
          expect(error).toMatchObject({ code: expect.stringMatching('57P01|unavailable') });
          ended += 1;
        });
      }
      left = 0;
      await rollUp.run({ through: 'now' });
    } finally {
      await ending.close();
    }
    expect(ended).toBeGreaterThan(5);
    expect(await total(meter)).toBe('60');
    await matches();
  });

  it('leaves alone what is not settled, and takes it when it is', async () => {
    const meter = await calls();
    await log.writer.transaction(async (tx) => {
      await tx.query('SELECT next_usage_position()');
      await log.send([log.event('calls', '2026-11-03T10:00:00Z')]);
      expect(await log.rollUp().run()).toMatchObject({ entries: 0, behind: 2 });
    });
    expect(await log.rollUp().run({ through: 'now' })).toMatchObject({ behind: 0 });
    expect(await total(meter)).toBe('1');
  });

  it('marks what has a price as due, with the earliest instants, and stages its rating', async () => {
    const [priced, plain] = [await calls(), await log.meter({ name: 'free', aggregation: 'count', unit: 'call' })];
    await log.writer.query('DELETE FROM outbox');
    await log.database.forProvider(
      log.provider,
      (tx) =>
        tx.$executeRaw`INSERT INTO prices (id, provider_id, meter_id, model, definition, asset, asset_decimals, effective_at)
        VALUES (${new SystemIds().next(ID_PREFIXES.price)}, ${log.provider}, ${priced.id}, 'per_unit', '{}', 'iso4217:USD', 2, 'epoch')`,
    );
    await log.send([log.event('calls', '2026-11-04T10:00:00Z'), log.event('free', '2026-11-04T10:00:00Z')]);
    await log.rollUp({ rateAfterMs: 60_000 }).run({ through: 'now' });
    await log.send([log.event('calls', '2026-11-03T10:00:00Z')]);
    await log.rollUp().run({ through: 'now' });
    await log.sell(plain, '2026-11-03T10:00:00Z', '5');
    await log.rollUp().run({ through: 'now' });
    const due = await log.writer.query(
      'SELECT account_id, meter_id, since, due_at, marks::int FROM rating_due WHERE provider_id = $1',
      [log.provider],
    );
    expect(due).toEqual([
      {
        account_id: log.seeded.account,
        meter_id: priced.id,
        since: new Date('2026-11-03T10:00:00Z'),
        due_at: new Date(noon),
        marks: 2,
      },
    ]);
    expect(await log.writer.query('SELECT queue FROM outbox')).toEqual([
      { queue: 'rate-usage' },
      { queue: 'rate-usage' },
    ]);
  });
});
