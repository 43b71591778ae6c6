import { instant } from '@core/time';
import { Auditor } from '@platform/database';
import { NOON, WalletScene } from '../../../../test/model/wallet-scene.js';
import { VerifyBooks } from './index.js';

/** A break, planted past every guard, and the invariant that has to notice it. */
const PLANTED: readonly (readonly [invariant: string, what: string, plant: string, mend: string])[] = [
  [
    'L5',
    'a balance that is not its grants',
    'UPDATE wallets SET posted = posted + 1',
    'UPDATE wallets SET posted = posted - 1',
  ],
  ['L5', 'a hold nobody set aside for', 'UPDATE wallets SET held = held - 1', 'UPDATE wallets SET held = held + 1'],
  [
    'L3',
    'a grant that the ledger does not know',
    'UPDATE grants SET granted = granted + 1, remaining = remaining + 1 WHERE kind = $$paid$$',
    'UPDATE grants SET granted = granted - 1, remaining = remaining - 1 WHERE kind = $$paid$$',
  ],
  [
    'L3',
    'lineage that is not what was given',
    'UPDATE grant_consumptions SET amount = amount + 1',
    'UPDATE grant_consumptions SET amount = amount - 1',
  ],
  [
    'L6',
    'a charge that was posted as another',
    'UPDATE holds SET captured = captured - 1',
    'UPDATE holds SET captured = captured + 1',
  ],
  [
    'L6',
    'usage that was not sold',
    "UPDATE usage_log SET body = replace(body, 'hld_', 'gone_')",
    "UPDATE usage_log SET body = replace(body, 'gone_', 'hld_')",
  ],
  ['L7', 'a refund that no grant gave', 'UPDATE refunds SET value = value + 1', 'UPDATE refunds SET value = value - 1'],
];

describe('the books of prepaid value', () => {
  let scene: WalletScene;
  let auditor: Auditor;

  beforeAll(async () => {
    scene = await WalletScene.open();
    auditor = new Auditor(scene.db.auditUrl);
    await scene.give(40n, { kind: 'promotional', funding: undefined, expiresAt: instant(NOON + 50_000) });
    const bought = await scene.give(100n, { cost: 90n });
    const served = await scene.held(60n);
    await scene.capture(served, 55n);
    await scene.reverse.run({ provider: scene.provider, hold: served.id, total: 10n });
    await scene.refunds.run({ provider: scene.provider, grant: bought, amount: 20n });
    await scene.held(15n);
  });

  afterAll(async () => {
    await auditor.close();
    await scene.close();
  });

  const broken = async () =>
    (await new VerifyBooks(auditor, []).run()).flatMap(({ invariant, faults }) =>
      faults.length > 0 ? [invariant] : [],
    );

  it('hold', async () => {
    const findings = await new VerifyBooks(auditor, []).run();
    expect(findings.flatMap(({ faults }) => faults)).toEqual([]);
    const looked = new Map(findings.map(({ says, counted }) => [says.slice(0, 12), counted]));
    expect([looked.get('no wallet is'), looked.get('what every gr'.slice(0, 12)), looked.get('every hold i')]).toEqual([
      1, 2, 1,
    ]);
  });

  it.each(PLANTED)('%s finds %s', async (invariant, _, plant, mend) => {
    const past = (text: string) =>
      scene.owner.query(`BEGIN; SET LOCAL session_replication_role = 'replica'; ${text}; COMMIT`);
    await past(plant);
    expect(await broken()).toContain(invariant);
    await past(mend);
    expect(await broken()).toEqual([]);
  });
});
