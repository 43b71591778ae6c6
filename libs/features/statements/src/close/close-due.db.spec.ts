import { parseInstant } from '@core/time';
import { ReverseCapture } from '@features/wallet';
import { ClosingScene } from '../../../../../test/support/closing-scene.js';
import { renderStatementCsv, renderStatementJson } from '../index.js';

describe('closing billing periods', () => {
  let scene: ClosingScene;

  beforeAll(async () => {
    scene = await ClosingScene.open();
  });
  afterAll(() => scene.end());
  afterEach(async () => expect(await scene.broken()).toEqual([]));

  const said = async () =>
    (await scene.statements()).map(({ number, opening, charges, payments, adjustments, closing, due, state }) => [
      number,
      ...[opening, charges, payments, adjustments, closing, due].map(Number),
      state,
    ]);
  const periods = async () =>
    (await scene.statements()).map(({ period }) => [period.start, period.end].map((at) => new Date(at).toISOString()));
  const read = async (index: number) => {
    const statement = (await scene.statements())[index];
    if (!statement) throw new Error(`no statement ${index}`);
    return scene.issued.run({ provider: scene.rating.provider, statement: statement.id });
  };

  it('bills a month with what was rated in its grace, and asks for nothing twice', async () => {
    await scene.begin('2026-10-20T12:00:00Z');
    const { rating } = scene;
    await rating.meter('calls', 'count');
    await rating.price('calls', '0.004', '2026-10-01T00:00:00Z');
    await scene.terms({ dueDays: 14 });
    await scene.credit(1_000_000n);
    await rating.use('calls', '2026-10-20T11:00:00Z');
    await rating.settle();
    await scene.now('2026-11-01T00:59:59.999Z');
    await rating.use('calls', '2026-10-31T23:59:59Z');
    expect(await scene.close()).toEqual({ closed: 0, issued: 0, failed: 0 });
    await scene.now('2026-11-01T01:00:00Z');
    expect(await scene.close()).toEqual({ closed: 1, issued: 1, failed: 0 });
    expect(await scene.close()).toEqual({ closed: 0, issued: 0, failed: 0 });
    expect(await said()).toEqual([['S-000001', 0, 8000, 0, 0, 8000, 8000, 'issued']]);
    expect([await scene.booked('1110'), await scene.booked('1100')]).toEqual([0n, 8000n]);
    const [statement] = await scene.statements();
    expect(statement?.dueAt).toBe(parseInstant('2026-11-16T00:00:00Z'));

    const json = renderStatementJson(await read(0));
    expect(json).toMatchObject({
      issued: { number: 'S-000001', state: 'issued', terms: 'net 14 days', due: '8000', open: '8000' },
      assets: [{ charges: { atomic: '8000' }, closing: { atomic: '8000' }, lines: { charges: [{ quantity: '2' }] } }],
    });
    const csv = renderStatementCsv(await read(0));
    expect(csv).toContain('S-000001,2026-11-01T01:00:00.000Z,2026-11-16T00:00:00.000Z,net 14 days,');
    expect(csv.split('\r\n').at(-2)).toMatch(/^total,.*,open,.*,0\.008,8000,/);
  });

  it('leaves usage that is rated after the close to the next statement, with the service it is for', async () => {
    await scene.begin('2026-10-30T12:00:00Z');
    const { rating } = scene;
    await rating.meter('calls', 'count');
    await rating.price('calls', '0.004', '2026-10-01T00:00:00Z');
    await scene.terms();
    await rating.use('calls', '2026-10-30T11:00:00Z');
    await scene.now('2026-11-01T02:00:00Z');
    await scene.close();
    await rating.use('calls', '2026-10-31T11:00:00Z');
    await rating.settle();
    expect(await said()).toEqual([['S-000001', 0, 4000, 0, 0, 4000, 4000, 'issued']]);
    await scene.now('2026-12-01T02:00:00Z');
    await scene.close();
    expect(await said()).toEqual([
      ['S-000001', 0, 4000, 0, 0, 4000, 4000, 'issued'],
      ['S-000002', 4000, 4000, 0, 0, 8000, 4000, 'issued'],
    ]);
    const [line] = (await read(1)).sections[0]?.charges ?? [];
    expect(line).toMatchObject({ kind: 'metered', service: { end: parseInstant('2026-11-01T00:00:00Z') } });
    await expect(read(0)).resolves.toMatchObject({ issued: { number: 'S-000001' } });
  });

  it('cuts months, weeks and days by the clock of a zone', async () => {
    await scene.begin('2026-10-05T12:00:00Z');
    await scene.terms({ zone: 'Europe/Berlin' });
    // Berlin left summer time on 25 October: the month has an hour more.
    await scene.owe(1n, '2026-09-30T21:59:59.999Z');
    await scene.owe(10n, '2026-09-30T22:00:00Z');
    await scene.owe(100n, '2026-10-31T22:59:59.999Z');
    await scene.owe(1000n, '2026-10-31T23:00:00Z');
    await scene.now('2026-11-01T00:00:00Z');
    await scene.close();
    expect(await said()).toEqual([['S-000001', 1, 0, 0, 110, 111, 111, 'issued']]);
    expect(await periods()).toEqual([['2026-09-30T22:00:00.000Z', '2026-10-31T23:00:00.000Z']]);

    const weekly = await scene.rating.another('weekly');
    await scene.now('2026-11-03T12:00:00Z');
    await scene.terms({ account: weekly, period: 'week', zone: 'America/New_York' });
    await scene.owe(5n, undefined, weekly);
    const daily = await scene.rating.another('daily');
    await scene.terms({ account: daily, period: 'day', zone: 'Asia/Kolkata' });
    await scene.owe(7n, undefined, daily);
    await scene.now('2026-11-09T06:30:00Z');
    await scene.close();
    const of = async (account: string) => (await scene.statements(account)).map(({ period, due }) => [period, due]);
    const period = (start: string, end: string) => ({ start: parseInstant(start), end: parseInstant(end) });
    expect(await of(weekly)).toEqual([[period('2026-11-02T05:00:00Z', '2026-11-09T05:00:00Z'), 5n]]);
    // Every day since is closed; the later ones have the debt to tell and nothing to ask for.
    expect((await of(daily)).slice(0, 2)).toEqual([
      [period('2026-11-02T18:30:00Z', '2026-11-03T18:30:00Z'), 7n],
      [period('2026-11-03T18:30:00Z', '2026-11-04T18:30:00Z'), 0n],
    ]);
    expect(await of(daily)).toHaveLength(6);
  });

  it('closes missed periods one after another, and bills each amount once', async () => {
    await scene.begin('2026-08-10T12:00:00Z');
    await scene.terms();
    await scene.owe(100n);
    await scene.now('2026-09-10T12:00:00Z');
    await scene.owe(20n);
    await scene.now('2026-10-10T12:00:00Z');
    await scene.owe(3n);
    expect(await scene.close()).toEqual({ closed: 2, issued: 2, failed: 0 });
    expect(await said()).toEqual([
      ['S-000001', 0, 0, 0, 100, 100, 100, 'issued'],
      ['S-000002', 100, 0, 0, 20, 120, 20, 'issued'],
    ]);
    expect([await scene.booked('1110'), await scene.booked('1100')]).toEqual([3n, 120n]);
  });

  it('issues nothing where nothing moved and nothing is owed, and begins the next period', async () => {
    await scene.begin('2026-10-10T12:00:00Z');
    await scene.terms();
    await scene.now('2026-11-02T00:00:00Z');
    expect(await scene.close()).toEqual({ closed: 1, issued: 0, failed: 0 });
    expect(await scene.statements()).toEqual([]);
    await scene.owe(5n);
    await scene.now('2026-12-02T00:00:00Z');
    await scene.close();
    expect(await said()).toEqual([['S-000001', 0, 0, 0, 5, 5, 5, 'issued']]);
  });

  it('asks for nothing while the account is owed something, and takes that off the next one', async () => {
    await scene.begin('2026-10-10T12:00:00Z');
    await scene.terms();
    await scene.owe(-30n);
    await scene.now('2026-11-02T00:00:00Z');
    await scene.close();
    expect(await said()).toEqual([['S-000001', 0, 0, 0, -30, -30, 0, 'paid']]);
    expect(await scene.booked('1110')).toBe(-30n);
    await scene.owe(100n);
    await scene.now('2026-12-02T00:00:00Z');
    await scene.close();
    expect((await said())[1]).toEqual(['S-000002', -30, 0, 0, 100, 70, 70, 'issued']);
    expect([await scene.booked('1110'), await scene.booked('1100')]).toEqual([0n, 70n]);
  });

  it('does not ask for what was taken off in the grace', async () => {
    await scene.begin('2026-10-10T12:00:00Z');
    await scene.terms();
    await scene.owe(100n);
    await scene.now('2026-11-01T00:30:00Z');
    await scene.owe(-40n);
    await scene.now('2026-11-01T01:00:00Z');
    await scene.close();
    expect(await said()).toEqual([['S-000001', 0, 0, 0, 100, 100, 60, 'issued']]);
  });

  it('keeps what is owed on credit and for statements together, call or usage', async () => {
    await scene.begin('2026-10-10T12:00:00Z');
    const meter = await scene.rating.meter('calls', 'count');
    await scene.terms();
    await scene.credit(1_000n);
    const line = async () => {
      const { rows } = await scene.owner.query<{ owed: string; due: string; left: string }>(
        `SELECT w.owed::text, l.due::text, (w.credit_limit - w.owed)::text AS left FROM wallets w JOIN credit_lines l USING (account_id, asset)
         WHERE account_id = $1`,
        [scene.rating.account],
      );
      return rows[0];
    };
    await scene.call(100n, meter);
    await scene.owe(50n);
    expect(await line()).toEqual({ owed: '100', due: '50', left: '850' });
    await scene.now('2026-11-01T00:30:00Z');
    await scene.call(7n, meter);
    await scene.now('2026-11-01T01:00:00Z');
    await scene.close();
    expect(await line()).toEqual({ owed: '7', due: '150', left: '843' });
    expect(await said()).toEqual([['S-000001', 0, 100, 0, 50, 150, 150, 'issued']]);
    await scene.call(843n, meter);
    await expect(scene.call(1n, meter)).rejects.toThrow('insufficient');
  });

  it('takes a call back that was billed, off the next statement', async () => {
    await scene.begin('2026-10-10T12:00:00Z');
    const meter = await scene.rating.meter('calls', 'count');
    await scene.terms();
    await scene.credit(1_000n);
    const hold = await scene.call(100n, meter);
    await scene.now('2026-11-01T01:00:00Z');
    await scene.close();
    await scene.call(30n, meter);
    const { database, ids, clock, provider } = scene.rating;
    await new ReverseCapture(database, ids, clock).run({ provider, hold, total: 70n });
    expect([await scene.booked('1110'), await scene.booked('1100')]).toEqual([-40n, 100n]);
    await scene.now('2026-12-01T01:00:00Z');
    await scene.call(60n, meter);
    await scene.close();
    expect((await said())[1]).toEqual(['S-000002', 100, 30, 0, -70, 60, 0, 'paid']);
  });

  it('is the same however many close at once, in whatever portions', async () => {
    await scene.begin('2026-10-10T12:00:00Z');
    const accounts = [scene.rating.account];
    for (let i = 1; i < 24; i += 1) accounts.push(await scene.rating.another(`agent ${i}`));
    for (const account of accounts) {
      await scene.terms({ account, period: 'day' });
      await scene.owe(9n, undefined, account);
    }
    await scene.now('2026-10-12T02:00:00Z');
    const closers = [3, 5, 7, 100].map((atOnce) => scene.closer(atOnce));
    const done = await Promise.all(closers.map((closer) => closer.only({ provider: scene.rating.provider })));
    expect(done.reduce((sum, { closed }) => sum + closed, 0)).toBe(48);
    const all = await Promise.all(accounts.map((account) => scene.statements(account)));
    expect(all.map((some) => some.map(({ due }) => due))).toEqual(accounts.map(() => [9n, 0n]));
    const numbers = all.flat().map(({ number }) => number);
    expect(numbers.sort()).toEqual(Array.from({ length: 48 }, (_, i) => `S-${String(i + 1).padStart(6, '0')}`));
  });

  it('misses nothing that is rated into a month while it is closed, and bills it once', async () => {
    await scene.begin('2026-10-30T12:00:00Z');
    const { rating } = scene;
    await rating.meter('calls', 'count');
    await rating.price('calls', '0.001', '2026-10-01T00:00:00Z');
    const names = ['agent-1', ...Array.from({ length: 9 }, (_, i) => `busy ${i}`)];
    const accounts = [rating.account];
    for (const name of names.slice(1)) accounts.push(await rating.another(name));
    for (const account of accounts) {
      await scene.terms({ account });
      await scene.credit(1_000_000n, account);
    }
    await scene.now('2026-11-01T02:00:00Z');
    const sending = names.flatMap((name) => [1, 2, 3].map((day) => ({ name, time: `2026-10-2${day}T12:00:00Z` })));
    const closing = async () => {
      for (let i = 0; i < 3; i += 1) await scene.closer(3).only({ provider: rating.provider });
    };
    await Promise.all([
      ...sending.map(async ({ name, time }) => {
        await rating.use('calls', time, undefined, name);
        await rating.rater().rateNow({ provider: rating.provider, account: accounts[names.indexOf(name)] ?? '' });
      }),
      closing(),
      closing(),
    ]);
    await scene.now('2026-12-01T02:00:00Z');
    await scene.close();
    for (const account of accounts) {
      const asked = (await scene.statements(account)).reduce((sum, { due }) => sum + due, 0n);
      expect([account, asked]).toEqual([account, 3_000n]);
    }
  });

  it('closes one account alone, though others are due', async () => {
    await scene.begin('2026-10-10T12:00:00Z');
    const other = await scene.rating.another('other');
    for (const account of [scene.rating.account, other]) {
      await scene.terms({ account });
      await scene.owe(9n, undefined, account);
    }
    await scene.now('2026-11-02T00:00:00Z');
    expect(await scene.close(other)).toEqual({ closed: 1, issued: 1, failed: 0 });
    expect(await scene.statements()).toEqual([]);
    expect(await scene.closer().run()).toMatchObject({ failed: 0 });
    expect((await scene.statements())[0]?.number).toBe('S-000002');
  });

  it('leaves the books of a closed period alone, whoever posts', async () => {
    await scene.begin('2026-10-10T12:00:00Z');
    await scene.terms();
    await scene.owe(9n);
    await scene.now('2026-11-02T00:00:00Z');
    await scene.close();
    await expect(scene.owe(1n, '2026-10-31T23:59:59.999Z')).rejects.toThrow(/books of .* are closed/);
    await scene.owe(1n, '2026-11-01T00:00:00Z');
    await expect(
      scene.owner.query("UPDATE closed_books SET closed_until = closed_until - interval '1 ms'"),
    ).rejects.toThrow('append-only');
    const forged = scene.owner.query('UPDATE statements SET closing = closing + 1, adjustments = adjustments + 1');
    await expect(forged).rejects.toThrow('is issued');
  });

  it('refuses to show a statement that the ledger tells differently by now', async () => {
    await scene.begin('2026-10-10T12:00:00Z');
    await scene.terms();
    await scene.owe(9n);
    await scene.owe(4n);
    await scene.now('2026-11-02T00:00:00Z');
    await scene.close();
    await expect(read(0)).resolves.toMatchObject({ status: 'ended' });
    const plant = async (sql: string) => {
      await scene.owner.query(`BEGIN; SET LOCAL session_replication_role = 'replica'; ${sql}; COMMIT`);
    };
    const lines = "posting_key LIKE 'adjust:%' AND provider_id = '" + scene.rating.provider + "'";
    await plant(`UPDATE transfers SET amount = 13 - amount WHERE ${lines}`);
    await expect(read(0)).rejects.toMatchObject({ code: 'invariant_broken', reason: 'statement_disagrees' });
    await plant(`UPDATE transfers SET amount = 13 - amount WHERE ${lines}`);
    await plant(`UPDATE transfers SET amount = amount + 1 WHERE ${lines}`);
    await expect(read(0)).rejects.toMatchObject({ code: 'invariant_broken' });
    await plant(`UPDATE transfers SET amount = amount - 1 WHERE ${lines}`);
    await expect(read(0)).resolves.toMatchObject({ status: 'ended' });
  });
});
