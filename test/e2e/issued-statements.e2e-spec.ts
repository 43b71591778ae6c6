import { addMs, instant, monthOf } from '@core/time';
import { billedAccounts } from '../support/billed-accounts.js';
import { House } from '../support/house.js';
import { USDC } from '../support/rating-scene.js';

interface Listed {
  readonly data: readonly {
    readonly id: string;
    readonly number: string;
    readonly account: string;
    readonly state: string;
    readonly due: string;
    readonly contentHash: string;
  }[];
  readonly next: string | null;
}

// A provider closes last month and reads what was issued.

let house: House;

beforeAll(async () => {
  house = await House.build();
  const end = monthOf(instant(Date.now())).start;
  const start = monthOf(addMs(end, -1)).start;
  const charged = [addMs(start, 1_000), addMs(start, 2_000)];
  const { provider, owner } = house;
  await billedAccounts(owner, { provider, asset: USDC.id, accounts: 3, start, end, charged, mark: 'billed ' });
}, 120_000);
afterAll(() => house.close());

const get = async <Body>(path: string): Promise<Body> => {
  const response = await house.call(path, { method: 'GET' });
  expect([path, response.status]).toEqual([path, 200]);
  return (await response.json()) as Body;
};
const close = async (body: object) => {
  const headers = { 'content-type': 'application/json' };
  const response = await house.call('/v1/statements/close', { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: response.status, body: await response.json() };
};

it('is closed for one account, for all, and once', async () => {
  const { data } = await get<Listed>('/v1/statements');
  expect(data).toEqual([]);
  const { rows } = await house.owner.query<{ id: string }>("SELECT id FROM accounts WHERE name = 'billed 2'");
  expect(await close({ account: rows[0]?.id })).toEqual({ status: 200, body: { closed: 1, issued: 1, failed: 0 } });
  expect(await close({})).toEqual({ status: 200, body: { closed: 2, issued: 2, failed: 0 } });
  expect(await close({})).toEqual({ status: 200, body: { closed: 0, issued: 0, failed: 0 } });
});

it('is listed in pages, by state and by account', async () => {
  const first = await get<Listed>('/v1/statements?limit=2');
  expect(first.data).toHaveLength(2);
  const second = await get<Listed>(`/v1/statements?limit=2&cursor=${first.next}`);
  expect([...first.data, ...second.data].map(({ number }) => number).sort()).toEqual([
    'S-000001',
    'S-000002',
    'S-000003',
  ]);
  expect(second.next).toBeNull();
  expect((await get<Listed>('/v1/statements?state=paid')).data).toEqual([]);
  const own = await get<Listed>('/v1/accounts/billed%202/statements');
  expect(own.data).toMatchObject([{ number: 'S-000001', state: 'issued', due: '2004' }]);
  expect((await house.call('/v1/accounts/nobody/statements', { method: 'GET' })).status).toBe(404);
});

it('is read with its lines, as JSON and as CSV, by its provider alone', async () => {
  const [issued] = (await get<Listed>('/v1/accounts/billed%202/statements')).data;
  const id = issued?.id ?? '';
  const json = await get<object>(`/v1/statements/${id}`);
  expect(json).toMatchObject({
    issued: { id, number: 'S-000001', open: '2004', contentHash: issued?.contentHash },
    account: { name: 'billed 2' },
    assets: [{ adjustments: { atomic: '2004' }, lines: { adjustments: [{ reason: 'agreed' }, { reason: 'agreed' }] } }],
  });
  expect(await get<object>(`/v1/statements/${id}.json`)).toMatchObject({ issued: { id } });
  const response = await house.call(`/v1/statements/${id}.csv`, { method: 'GET' });
  expect(response.headers.get('content-disposition')).toBe('attachment; filename="S-000001.csv"');
  expect(await response.text()).toContain(issued?.contentHash);
  expect((await house.call(`/v1/statements/stm_${'0'.repeat(32)}`, { method: 'GET' })).status).toBe(404);
  expect((await house.call('/v1/statements/elsewhere', { method: 'GET' })).status).toBe(400);
  expect((await close({ account: 'acct_x' })).status).toBe(400);
});
