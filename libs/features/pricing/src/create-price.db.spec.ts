import { addMs } from '@core/time';
import { RatingScene } from '../../../../test/support/rating-scene.js';
import { PriceBookCache } from './index.js';

let scene: RatingScene;

beforeAll(async () => {
  scene = await RatingScene.open();
});
beforeEach(() => scene.begin());
afterAll(() => scene.end());

describe('prices', () => {
  it('do not begin in the past once there is one, and do not change', async () => {
    await scene.meter('calls', 'count');
    const first = await scene.price('calls', '1', '2026-11-01T00:00:00Z');
    expect(await scene.price('calls', '1.0', '2026-11-01T00:00:00Z')).toEqual({
      outcome: 'exists',
      price: expect.objectContaining({ id: first.price.id }),
    });
    await expect(scene.price('calls', '2', '2026-11-01T00:00:00Z')).rejects.toMatchObject({
      code: 'conflict',
      reason: 'price_exists',
    });
    await expect(scene.price('calls', '2', '2026-11-21T11:59:59.999Z')).rejects.toMatchObject({
      code: 'invalid_request',
      reason: 'price_in_past',
    });
    await expect(scene.price('calls', 'free')).rejects.toMatchObject({ reason: 'invalid_price' });
    await expect(scene.price('nothing', '1')).rejects.toMatchObject({ code: 'not_found', reason: 'unknown_meter' });
    expect((await scene.price('calls', '2')).price.effectiveAt).toBe(scene.clock.now());
  });

  it('made at once are taken one after the other: only one is the first', async () => {
    await scene.meter('calls', 'count');
    const made = await Promise.allSettled(
      ['01', '02', '03'].map((day) => scene.price('calls', '1', `2026-11-${day}T00:00:00Z`)),
    );
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('are cached for five seconds, what is missing not at all', async () => {
    const cache = new PriceBookCache(scene.database, scene.clock);
    expect(await cache.find(scene.provider, 'calls')).toBeUndefined();
    await scene.meter('calls', 'count');
    await scene.price('calls', '1');
    expect((await cache.find(scene.provider, 'calls'))?.prices).toHaveLength(1);
    await scene.price('calls', '2', '2026-11-21T13:00:00Z');
    expect((await cache.find(scene.provider, 'calls'))?.prices).toHaveLength(1);
    scene.clock.time = addMs(scene.clock.time, 5_000);
    expect((await cache.find(scene.provider, 'calls'))?.prices).toHaveLength(2);
    expect(await cache.find('prv_other', 'calls')).toBeUndefined();
  });
});
