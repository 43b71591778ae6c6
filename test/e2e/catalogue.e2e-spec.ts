import { KEY_SCOPES } from '@features/accounts';
import { type Api, createApp } from '../../apps/api/src/create-app.js';
import { apiConfig, type ApiDatabase, call, type Called, createDatabase, makeKey, rollUp } from '../support/api.js';

// A provider sets prices, bundles them into a plan, agrees one with a good customer, tries out another, corrects a day of usage,
// and closes the month. Usage lies on the last day of the month before, which can be closed and is still accepted.

const DAY = 86_400_000;
const today = new Date();
const thisMonth = Date.UTC(today.getUTCFullYear(), today.getUTCMonth(), 1);
const lastDay = thisMonth - DAY;
const monthBefore = Date.UTC(today.getUTCFullYear(), today.getUTCMonth() - 1, 1);
const iso = (ms: number): string => new Date(ms).toISOString();
const month = (ms: number): string => iso(ms).slice(0, 'yyyy-mm'.length);
const EUR = 'iso4217:EUR';

let database: ApiDatabase;
let api: Api;
let url: string;
let key: string;
/** On the plan, with a price of its own, with neither. */
const accounts = { planned: '', agreed: '', plain: '' };

beforeAll(async () => {
  database = await createDatabase();
  api = await createApp(apiConfig(database, { LOG_LEVEL: 'error' }));
  url = await api.listen(0, '127.0.0.1');
  key = (await makeKey(api, { scopes: KEY_SCOPES })).key;
  for (const name of ['planned', 'agreed', 'plain'] as const)
    accounts[name] = (await post('/v1/accounts', { name })).json.id;
  await post('/v1/meters', { name: 'tokens', aggregation: 'sum', unit: 'token' });
});

afterAll(async () => {
  await api.close();
  await database.drop();
});

const get = (path: string): Promise<Called> => call(url, 'GET', path, { key });
const post = (path: string, body?: unknown): Promise<Called> => call(url, 'POST', path, { key, body });

const event = (id: string, subject: string, value: string) => ({
  specversion: '1.0',
  id,
  source: '/s',
  type: 'tokens',
  subject,
  time: iso(lastDay + DAY / 2),
  data: { value },
});

/** The part of an account's statement that is in euro. Usage of a month that is not closed is charged in it, however late it comes. */
async function stated(account: string, of = thisMonth): Promise<Called['json']> {
  const { status, json } = await get(`/v1/statements/${account}/${month(of)}`);
  expect({ status, json }).toMatchObject({ status: 200 });
  return json.assets.find(({ asset }: { asset: string }) => asset === EUR);
}

const owed = async (account: string): Promise<string | undefined> => (await stated(account))?.closing.amount;

describe('a catalogue', () => {
  it('explains what is wrong with a price', async () => {
    const tiers = (...given: object[]) =>
      post('/v1/prices', { meter: 'tokens', model: 'graduated', definition: { tiers: given }, asset: EUR });
    const wrong: [answer: Called, said: RegExp][] = [
      [
        await tiers({ upTo: '10', rate: '1' }, { upTo: '5', rate: '2' }, { rate: '3' }),
        /tier 2 starts before tier 1 ends/i,
      ],
      [await tiers({ upTo: '10', rate: '1' }, { upTo: '20', rate: '2' }), /last tier must have no "upTo"/],
      [await tiers({ upTo: '10', rate: '1' }, { price: '2' }), /price/],
      [
        await post('/v1/prices', {
          meter: 'tokens',
          model: 'percentage',
          definition: { rate: '0.1', minPerEvent: '1' },
        }),
        /itemized/,
      ],
      [
        await post('/v1/prices', {
          meter: 'tokens',
          model: 'matrix',
          definition: { dimensions: ['x'], rates: [{ match: { x: 'y' }, rate: '1' }] },
        }),
        /does not group by/,
      ],
    ];
    for (const [{ status, json }, said] of wrong) {
      expect({ status, json }).toMatchObject({ status: 400, json: { reason: 'invalid_price' } });
      expect(json.detail).toMatch(said);
    }
    expect((await get('/v1/prices')).json.data).toEqual([]);
  });

  it('has a price for all, a plan with an allowance and a base fee, and a price agreed with one', async () => {
    const standard = { meter: 'tokens', definition: { rate: '0.01' }, asset: EUR, effectiveAt: iso(monthBefore) };
    expect(await post('/v1/prices', standard)).toMatchObject({
      status: 201,
      json: { model: 'per_unit', source: 'default', assetDecimals: 2 },
    });
    const plan = {
      name: 'Team',
      items: [
        { meter: 'tokens', model: 'per_unit', definition: { rate: '0.02', allowance: '100' } },
        { name: 'Base fee', model: 'flat', definition: { amount: '10' } },
      ],
      asset: EUR,
    };
    expect(await post('/v1/plans', plan)).toMatchObject({ status: 201, json: { versions: [{ version: 1 }] } });
    expect((await post('/v1/plans', plan)).status).toBe(200);
    expect(
      await post('/v1/plans', { ...plan, name: 'Odd', items: [{ meter: 'tokens', model: 'flat' }] }),
    ).toMatchObject({
      status: 400,
      json: { detail: expect.stringContaining('Item 1') },
    });
    const moved = await call(url, 'PUT', `/v1/accounts/${accounts.planned}/plan`, {
      key,
      body: { plan: 'Team', from: iso(monthBefore) },
    });
    expect(moved).toMatchObject({ status: 200, json: { outcome: 'moved', from: iso(monthBefore) } });
    const own = { meter: 'tokens', price: { definition: { rate: '0.005' }, asset: EUR }, from: iso(monthBefore) };
    expect(await post(`/v1/accounts/${accounts.agreed}/prices`, own)).toMatchObject({
      status: 201,
      json: { price: { source: 'override', definition: { rate: '0.005' } } },
    });
    expect((await post(`/v1/accounts/${accounts.agreed}/prices`, own)).status).toBe(200);
  });

  it('rates the same usage for each account by what holds for it', async () => {
    const sent = Object.keys(accounts).map((name) => event(`${name}-1`, name, '250'));
    expect((await post('/v1/events', sent)).json).toMatchObject({ accepted: 3 });
    await rollUp(api);
    // 150 beyond the allowance at 0.02, and base fees of the month before and of this one.
    const ofLastMonth = (await stated(accounts.planned, monthBefore)).lines.charges;
    expect(
      ofLastMonth.map(({ name = 'tokens', amount }: { name?: string; amount: { amount: string } }) => [
        name,
        amount.amount,
      ]),
    ).toEqual(
      expect.arrayContaining([
        ['Base fee', '10'],
        ['tokens', '3'],
      ]),
    );
    expect(ofLastMonth).toHaveLength(2);
    expect(await owed(accounts.agreed)).toBe('1.25');
    expect(await owed(accounts.plain)).toBe('2.5');
  });

  it('shows what another price would have charged, and posts nothing', async () => {
    const candidate = {
      meter: 'tokens',
      model: 'graduated',
      definition: { tiers: [{ upTo: '100', rate: '0' }, { rate: '0.03' }] },
      asset: EUR,
      from: iso(monthBefore),
      to: iso(thisMonth),
    };
    const { status, json } = await post('/v1/prices/backtest', candidate);
    expect({ status, json }).toMatchObject({
      status: 200,
      json: {
        problems: 0,
        complete: true,
        total: { accounts: 3, current: [{ amount: '6.75' }], candidate: { amount: '13.5' }, difference: '675' },
      },
    });
    const differences = json.accounts.map((each: { name: string; difference: string }) => [each.name, each.difference]);
    expect(differences.sort()).toEqual([
      ['agreed', '325'],
      ['plain', '200'],
      ['planned', '150'],
    ]);
    expect(await owed(accounts.plain)).toBe('2.5');
  });
});

describe('a backfill', () => {
  const replaces = { type: 'tokens', from: iso(lastDay), to: iso(thisMonth) };

  it('changes the statement by what was previewed, and nothing once it is reverted', async () => {
    const draft = await post('/v1/backfills', {
      replaces: { ...replaces, account: accounts.plain },
      reason: 'recount',
    });
    expect(draft).toMatchObject({ status: 201, json: { state: 'draft', events: 0 } });
    const path = `/v1/backfills/${draft.json.id}`;
    const added = await post(`${path}/events`, [
      event('recounted-1', 'plain', '150'),
      { nothing: 'readable' },
      event('recounted-2', 'plain', '250'),
    ]);
    expect(added.json).toMatchObject({ accepted: 2, rejected: 1, verdicts: [{ index: 1, reason: 'invalid_event' }] });

    const preview = await post(`${path}/preview`);
    expect(preview.json).toMatchObject({
      quantities: [{ account: accounts.plain, before: '250', after: '400' }],
      charges: [
        {
          account: accounts.plain,
          asset: EUR,
          before: { amount: '2.5' },
          after: { amount: '4' },
          difference: { atomic: '150' },
        },
      ],
      problems: [],
    });
    expect(await owed(accounts.plain)).toBe('2.5');

    expect((await post(`${path}/commit`)).json).toMatchObject({ outcome: 'committed', added: 2, replaced: 1 });
    expect((await post(`${path}/commit`)).json).toMatchObject({ outcome: 'already_committed' });
    await rollUp(api);
    expect(await owed(accounts.plain)).toBe('4');

    expect((await post(`${path}/revert`)).json).toMatchObject({ outcome: 'reverted', backfill: { state: 'reverted' } });
    await rollUp(api);
    expect(await owed(accounts.plain)).toBe('2.5');
    expect((await post(`${path}/drop`)).status).toBe(409);
    expect((await get('/v1/backfills?state=reverted')).json.data).toMatchObject([
      { id: draft.json.id, reason: 'recount' },
    ]);
  });
});

describe('a closed month', () => {
  it('keeps its charges; what changes later is charged in the open month, by charges that name them', async () => {
    expect(await post('/v1/periods/close', { period: month(thisMonth) })).toMatchObject({
      status: 400,
      json: { reason: 'invalid_period' },
    });
    const closed = await post('/v1/periods/close', { period: month(monthBefore) });
    expect(closed).toMatchObject({ status: 200, json: { outcome: 'closed', period: month(monthBefore) } });
    expect((await post('/v1/periods/close', { period: month(monthBefore) })).json).toMatchObject({
      outcome: 'already_closed',
    });
    expect((await get('/v1/periods')).json.data).toMatchObject([{ period: month(monthBefore) }]);

    const [original] = (await stated(accounts.plain, monthBefore)).lines.charges;
    expect((await post('/v1/events/plain-1/void', { source: '/s' })).json).toMatchObject({ outcome: 'voided' });
    expect((await post('/v1/events', event('late', 'agreed', '50'))).json).toMatchObject({ accepted: 1 });
    await rollUp(api);

    const plain = await stated(accounts.plain);
    expect(plain.closing.amount).toBe('0');
    expect(plain.lines.charges).toMatchObject([
      { corrects: original.charge, amount: { atomic: '-250', amount: '-2.5' } },
    ]);
    expect((await stated(accounts.plain, monthBefore)).lines.charges).toEqual([original]);
    expect(await owed(accounts.agreed)).toBe('1.5');
    expect((await get('/v1/rating-problems')).json.data).toEqual([]);
  });

  it('moves the accounts of a plan to its next version', async () => {
    const next = await post('/v1/plans/Team/versions', {
      items: [{ meter: 'tokens', model: 'per_unit', definition: { rate: '0.02', allowance: '200' } }],
      asset: EUR,
    });
    expect(next).toMatchObject({ status: 201, json: { versions: [{ version: 1 }, { version: 2 }] } });
    expect((await post('/v1/plans/Team/migrate', {})).json).toMatchObject({ moved: 1 });
    const moves = (await get(`/v1/accounts/${accounts.planned}/plan`)).json.data;
    expect(moves.map(({ planVersion }: { planVersion: string }) => planVersion)).toEqual(
      next.json.versions.map(({ id }: { id: string }) => id),
    );
    expect((await get('/v1/plans/Team')).json.versions).toHaveLength(2);
  });
});
