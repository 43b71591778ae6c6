import { assetId, USD } from '@core/money';
import { AgentScene } from '../../../../../test/support/agent-scene.js';
import { ReadTerms, SetTerms } from './set-terms.js';

const EUR = assetId('iso4217:EUR');

describe('terms of an account', () => {
  let scene: AgentScene;
  let set: SetTerms;
  let of: { provider: string; account: string; asset: typeof USD.id };

  beforeAll(async () => {
    scene = await AgentScene.open();
    set = new SetTerms(scene.database, scene.clock);
  });
  afterAll(() => scene.close());
  beforeEach(async () => {
    const provider = await scene.provider();
    of = { provider, account: await scene.account(provider), asset: USD.id };
  });

  it('begin with the period of the zone’s calendar that is under way', async () => {
    const now = scene.clock.now();
    const terms = await set.run({ ...of, period: 'month', zone: 'Pacific/Auckland', rails: ['bank', 'usdc'] });
    expect(terms).toMatchObject({ graceSeconds: 3_600, dueDays: 0, pastDue: 'prepaid_only', standing: 'good' });
    expect(terms.current.start).toBeLessThanOrEqual(now);
    expect(terms.current.end).toBeGreaterThan(now);
    expect(await new ReadTerms(scene.database).run(of)).toEqual(terms);
  });

  it('that are changed after a statement let the period under way end as it would have', async () => {
    const { current } = await set.run({ ...of, period: 'week' });
    await scene.database.forProvider(of.provider, (tx) =>
      tx.closedBooks.create({
        data: { accountId: of.account, providerId: of.provider, closedUntil: new Date(current.start) },
      }),
    );
    expect(await set.run({ ...of, period: 'day', dueDays: 14 })).toMatchObject({ current, period: 'day', dueDays: 14 });
    await expect(set.run({ ...of, asset: EUR, period: 'day' })).rejects.toMatchObject({ reason: 'asset_is_fixed' });
  });

  it('are refused with what is wrong about them', async () => {
    await expect(set.run({ ...of, period: 'day', zone: 'Mars/Olympus' })).rejects.toMatchObject({
      reason: 'unknown_zone',
    });
    await expect(set.run({ ...of, account: 'acct_none', period: 'day' })).rejects.toMatchObject({
      reason: 'unknown_account',
    });
    await expect(set.run({ ...of, asset: EUR, period: 'day', rails: ['card'] })).rejects.toMatchObject({
      reason: 'asset_is_not_carried',
    });
    expect(await set.run({ ...of, asset: EUR, period: 'day' })).toMatchObject({ rails: [], asset: EUR });
    const other = { ...of, account: await scene.account(of.provider) };
    await expect(new ReadTerms(scene.database).run(other)).rejects.toMatchObject({ reason: 'no_terms' });
  });
});
