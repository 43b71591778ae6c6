import { SystemIds } from '@platform/system';
import { Writer } from '@platform/database';
import { WalletScene } from '../../../../test/model/wallet-scene.js';
import { AnnounceAlerts } from './index.js';

describe('what wallets raise', () => {
  let scene: WalletScene;
  let writer: Writer;

  beforeEach(async () => {
    scene = await WalletScene.open();
    writer = new Writer(scene.db.writerUrl, 4);
  });

  afterEach(async () => {
    await writer.close();
    await scene.close();
  });

  it('is announced once each, however many look at a time', async () => {
    const { provider, account, asset } = scene;
    await scene.give(100n);
    await scene.alerts.setThresholds({ provider, account, asset, below: [50n] });
    const limit = await scene.limit.run({
      provider,
      account,
      asset,
      subject: { kind: 'account' },
      window: 'lifetime',
      amount: 100n,
      hard: false,
      alertPercents: [60],
    });
    await scene.topUps.set({
      provider,
      account,
      asset,
      threshold: 40n,
      buys: { upTo: 200n },
      coolOffSeconds: 60,
      perDay: 2,
      maxFailures: 2,
    });
    await scene.capture(await scene.held(65n), 65n);
    const alerts = new Map<string, string>(
      (await scene.alerts.list({ provider, account, limit: 10 })).map(({ kind, id }) => [kind, id]),
    );
    expect(alerts.size).toBe(3);

    const looks = Array.from({ length: 4 }, () => new AnnounceAlerts(writer, new SystemIds()).run());
    expect((await Promise.all(looks)).reduce((sum, announced) => sum + announced, 0)).toBe(3);
    expect(await new AnnounceAlerts(writer, new SystemIds()).run()).toBe(0);
    const { rows } = await scene.owner.query<{ type: string }>(
      'SELECT type, object_id, data, once_key FROM webhook_events WHERE provider_id = $1 ORDER BY type',
      [provider],
    );
    const of = (kind: string, more: object) => ({
      object_id: alerts.get(kind),
      once_key: alerts.get(kind),
      data: { account, asset, alert: alerts.get(kind), ...more },
    });
    expect(rows).toEqual([
      { type: 'balance.low', ...of('balance_low', { threshold: '50', balance: '35' }) },
      {
        type: 'limit.crossed',
        ...of('limit_reached', {
          limit: limit.id,
          percent: 60,
          threshold: '60',
          spent: '65',
          windowStart: '1970-01-01T00:00:00.000Z',
        }),
      },
      { type: 'topup.due', ...of('top_up_due', { amount: '165' }) },
    ]);
  });
});
