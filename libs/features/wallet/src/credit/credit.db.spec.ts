import { ReadTerms, SetTerms } from '@features/accounts';
import { parseInstant } from '@core/time';
import { WalletScene } from '../../../../../test/model/wallet-scene.js';
import { CreditLines, PastDue } from './credit-lines.js';
import { ReadCredit, SetCredit } from './set-credit.js';

describe('a credit line', () => {
  let scene: WalletScene;
  let set: SetCredit;
  let read: ReadCredit;
  const lines = new CreditLines();
  const pastDue = new PastDue();

  beforeEach(async () => {
    scene = await WalletScene.open();
    set = new SetCredit(scene.database);
    read = new ReadCredit(scene.database);
  });

  afterEach(() => scene.close());

  const give = (limit: bigint) =>
    set.run({ provider: scene.provider, account: scene.account, asset: scene.asset, limit });
  const line = async () => (await read.run(scene))[0];
  const add = (change: bigint) =>
    scene.database.forProvider(scene.provider, (tx) =>
      lines.add(tx, { account: scene.account, asset: scene.asset, change }),
    );

  it('is spent after the grants, and is never passed', async () => {
    await scene.give(30n);
    await give(100n);
    const hold = await scene.held(90n);
    expect(hold).toMatchObject({ credit: 60n });
    expect(await scene.a.take(scene.request(41n))).toEqual({ outcome: 'insufficient', available: 40n });
    await scene.capture(hold, 80n);
    expect(await line()).toMatchObject({ limit: 100n, held: 0n, unbilledCalls: 50n, due: 0n, available: 50n });
    expect(await scene.booked('1110')).toBe(50n);
  });

  it('counts what is owed for usage and on statements, as it changes', async () => {
    await give(100n);
    await add(70n);
    expect(await line()).toMatchObject({ due: 70n, available: 30n });
    expect(await scene.a.take(scene.request(31n))).toMatchObject({ outcome: 'insufficient' });
    const hold = await scene.held(30n);
    // More is rated than the line leaves: what is under way goes on, nothing more is had.
    await add(50n);
    expect(await line()).toMatchObject({ due: 120n, held: 30n, available: 0n });
    expect(await scene.capture(hold, 30n)).toMatchObject({ outcome: 'captured' });
    expect(await scene.a.take(scene.request(1n))).toMatchObject({ outcome: 'insufficient', available: 0n });
    await add(-120n);
    expect(await scene.a.take(scene.request(70n))).toMatchObject({ outcome: 'held' });
  });

  it('of an account that owes begins with what it owes', async () => {
    await give(40n);
    await scene.capture(await scene.held(40n), 40n);
    await scene.owner.query('DELETE FROM credit_lines');
    await scene.owner.query('UPDATE wallets SET owed = 15, posted = -15');
    expect(await give(40n)).toMatchObject({ unbilledCalls: 15n, due: 25n, available: 0n });
  });

  it('may be lowered below what is owed, and then gives nothing', async () => {
    await give(100n);
    await scene.capture(await scene.held(60n), 60n);
    expect(await give(10n)).toMatchObject({ limit: 10n, unbilledCalls: 60n, available: 0n });
    expect(await scene.a.take(scene.request(1n))).toMatchObject({ outcome: 'insufficient' });
  });

  it('gives nothing while its account is past due, and grants still do', async () => {
    await give(100n);
    await new SetTerms(scene.database, scene.clock).run({ ...scene, period: 'week', zone: 'America/New_York' });
    const { provider, account } = scene;
    expect(await scene.database.forProvider(provider, (tx) => pastDue.apply(tx, account))).toBe('prepaid_only');
    expect(await scene.a.take(scene.request(1n))).toMatchObject({ outcome: 'insufficient', available: 0n });
    await scene.give(5n);
    expect(await scene.a.take(scene.request(5n))).toMatchObject({ outcome: 'held' });
    expect(await new ReadTerms(scene.database).run(scene)).toMatchObject({
      standing: 'prepaid_only',
      current: { start: parseInstant('2026-11-16T05:00:00Z'), end: parseInstant('2026-11-23T05:00:00Z') },
    });
    await scene.database.forProvider(provider, (tx) => pastDue.lift(tx, account));
    expect(await scene.a.take(scene.request(100n))).toMatchObject({ outcome: 'held' });
  });

  it('is kept by the database, whatever is decided on it', async () => {
    await give(100n);
    await expect(scene.owner.query('UPDATE wallets SET owed = 101, posted = -101')).rejects.toMatchObject({
      constraint: 'never_below_its_limit',
    });
    const many = await Promise.all(
      Array.from({ length: 64 }, (_, i) => (i % 2 ? scene.a : scene.b).take(scene.request(3n))),
    );
    expect(many.filter(({ outcome }) => outcome === 'held')).toHaveLength(33);
  });
});
