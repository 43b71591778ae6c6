import { formatDecimal } from '@core/money';
import { parsePeriod } from '@core/time';
import { at, money, RatingScene, specOf, type TestPrice, USDC } from '../../../../test/support/rating-scene.js';

let scene: RatingScene;
const FROM = '2026-10-01T00:00:00Z';
const october = parsePeriod('2026-10');
const november = parsePeriod('2026-11');

beforeAll(async () => {
  scene = await RatingScene.open();
});
beforeEach(() => scene.begin('2026-11-03T12:00:00Z'));
afterAll(() => scene.end());

const test = (
  price: TestPrice,
  more: { range?: typeof october; accounts?: string[]; after?: string; limit?: number } = {},
) => scene.backTest.run({ provider: scene.provider, meter: 'used', range: october, ...more, ...specOf(price) });

const CANDIDATES: readonly (readonly [string, TestPrice])[] = [
  ['per unit', { definition: { rate: '0.7', allowance: '3' } }],
  ['graduated', { model: 'graduated', definition: { tiers: [{ upTo: '5', rate: '1', flat: '2' }, { rate: '0.25' }] } }],
  ['volume', { model: 'volume', definition: { tiers: [{ upTo: '5', rate: '1' }, { rate: '0.25' }] } }],
  ['package', { model: 'package', definition: { size: '4', amount: '1.5' } }],
  ['with a minimum', { definition: { rate: '0.1' }, modifiers: { minimum: '9.99' } }],
];

describe('a back-test', () => {
  it.each(CANDIDATES)('of a price %s says what rating at it charges later', async (_, candidate) => {
    await scene.meter('used', 'sum');
    const other = await scene.another('other');
    for (const [day, value] of [
      [3, '4.5'],
      [9, '2'],
      [30, '8.25'],
    ] as const)
      await scene.use('used', `2026-10-${String(day).padStart(2, '0')}T01:02:03Z`, { value });
    await scene.use('used', '2026-10-12T00:00:00Z', { value: '1' }, 'other');
    await scene.use('used', '2026-11-02T00:00:00Z', { value: '100' });
    await scene.settle();
    const tested = await test(candidate);
    expect(tested.complete).toBe(true);
    expect(tested.accounts.map(({ current }) => current)).toEqual([[], []]);

    await scene.price('used', candidate, FROM);
    await scene.settle();
    for (const account of [scene.account, other]) {
      const charged = (await scene.charges(account)).filter(({ service }) => service.start < october.end);
      const promised = tested.accounts.find((one) => one.account === account);
      expect(promised?.candidate?.atomic).toBe(charged.reduce((sum, { atomic }) => sum + atomic, 0n));
    }
    // Beside the price in force, the same price makes no difference.
    const again = await test(candidate);
    expect(again.accounts.map(({ difference }) => difference)).toEqual([0n, 0n]);
    expect(again.total.difference).toBe(0n);
  });

  it('compares per account with what it pays now, and posts nothing', async () => {
    await scene.meter('used', 'sum');
    await scene.price('used', '1', FROM);
    const other = await scene.another('other');
    await scene.use('used', '2026-10-10T00:00:00Z', { value: '10' });
    await scene.use('used', '2026-10-10T00:00:00Z', { value: '20' }, 'other');
    await scene.override('used', { definition: { rate: '3' } }, FROM, 'other');
    await scene.settle();
    const rows = () =>
      scene.writer.query<{ n: string }>('SELECT count(*)::text AS n FROM transfers WHERE provider_id = $1', [
        scene.provider,
      ]);
    const before = await rows();
    const tested = await test({ definition: { rate: '2' } });
    expect(tested.accounts).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ account: scene.account, name: 'agent-1', difference: 10_000_000n }),
        expect.objectContaining({ account: other, name: 'other', difference: -20_000_000n }),
      ]),
    );
    expect(tested.total).toEqual({
      accounts: 2,
      current: [{ asset: USDC.id, decimals: 6, atomic: 70_000_000n }],
      candidate: { asset: USDC.id, decimals: 6, atomic: 60_000_000n },
      difference: -10_000_000n,
    });
    expect(await rows()).toEqual(before);
    const one = await test({ definition: { rate: '2' } }, { accounts: ['other'] });
    expect(one.accounts.map(({ quantity }) => formatDecimal(quantity))).toEqual(['20']);
    const page = await test({ definition: { rate: '2' } }, { limit: 1 });
    expect(page).toMatchObject({ complete: false, total: { accounts: 1 } });
    const rest = await test({ definition: { rate: '2' } }, { after: page.accounts[0]?.account ?? '' });
    expect(rest).toMatchObject({ complete: true, total: { accounts: 1 } });
  });

  it('does not compare two assets, and says what cannot be rated', async () => {
    await scene.meter('used', 'sum', { groupBy: ['region'] });
    await scene.price('used', '1', FROM);
    const other = await scene.another('other');
    await scene.use('used', '2026-10-10T00:00:00Z', { value: '10', dimensions: { region: 'eu' } });
    await scene.use('used', '2026-10-10T00:00:00Z', { value: '20', dimensions: { region: 'mars' } }, 'other');
    await scene.settle();
    const dollars = await test({ definition: { rate: '2' }, asset: money('USD') });
    expect(dollars.accounts.map((account) => 'difference' in account)).toEqual([false, false]);
    const definition = { dimensions: ['region'], rates: [{ match: { region: 'eu' }, rate: '2' }] };
    const matrix = await test({ model: 'matrix', definition });
    expect(matrix).toMatchObject({ problems: 1, total: { accounts: 1, difference: 10_000_000n } });
    expect(matrix.accounts.find(({ account }) => account === other)?.problem).toMatch(/mars/);
  });

  it('is of whole quarters of an hour that are past', async () => {
    await scene.meter('used', 'sum');
    await scene.use('used', '2026-10-10T00:00:00Z', { value: '10' });
    await scene.settle();
    const off = { start: at('2026-10-01T00:07:00Z'), end: october.end };
    await expect(test({ definition: { rate: '1' } }, { range: off })).rejects.toMatchObject({
      reason: 'unaligned_range',
    });
    const future = { start: november.end, end: parsePeriod('2026-12').end };
    await expect(test({ definition: { rate: '1' } }, { range: future })).rejects.toMatchObject({
      reason: 'invalid_range',
    });
    await expect(test({ definition: { rate: 'free' } })).rejects.toMatchObject({ reason: 'invalid_price' });
    const part = { start: at('2026-10-10T00:00:00Z'), end: at('2026-10-10T00:15:00Z') };
    expect((await test({ definition: { rate: '1' } }, { range: part })).total.candidate.atomic).toBe(10_000_000n);
  });
});
