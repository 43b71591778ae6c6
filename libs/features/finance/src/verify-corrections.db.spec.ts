import { parsePeriod } from '@core/time';
import { Auditor } from '@platform/database';
import { RatingScene } from '../../../../test/support/rating-scene.js';
import { VerifyBooks } from './index.js';

describe('the books of a closed period with corrections', () => {
  let scene: RatingScene;
  let auditor: Auditor;

  beforeAll(async () => {
    scene = await RatingScene.open();
    auditor = new Auditor(scene.db.auditUrl);
  });
  afterAll(async () => {
    await auditor.close();
    await scene.end();
  });

  it('are in order, and were looked at', async () => {
    await scene.begin('2026-11-03T12:00:00Z');
    await scene.meter('used', 'sum');
    await scene.price('used', '1', '2026-10-01T00:00:00Z');
    await scene.plan('pro', [{ name: 'seat', model: 'flat', definition: { amount: '49' } }], { maximum: '40' });
    await scene.move('pro', '2026-10-01T00:00:00Z');
    const first = await scene.use('used', '2026-10-10T00:00:00Z', { value: '8' });
    await scene.close.run({ provider: scene.provider, period: parsePeriod('2026-10') });
    await scene.use('used', '2026-10-20T00:00:00Z', { value: '2' });
    await scene.void(first);
    await scene.settle();
    expect(await scene.owed()).toBe(82_000_000n);
    const findings = await new VerifyBooks(auditor, []).run();
    expect(findings.flatMap(({ faults }) => faults)).toEqual([]);
    expect(findings.find(({ invariant }) => invariant === 'M4')?.counted).toBe(1);
    expect(findings.find(({ invariant }) => invariant === 'M5')?.counted).toBe((await scene.charges()).length);
  });
});
