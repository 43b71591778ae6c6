import { entry, type Place } from '@core/ledger';
import { amount } from '@core/money';
import { receivableKinds } from '../../../../test/support/receivable-kinds.js';
import { ClosingScene } from '../../../../test/support/closing-scene.js';

describe('what becomes of an issued statement', () => {
  let scene: ClosingScene;
  let statement: string;
  let serial = 0;

  beforeAll(async () => {
    scene = await ClosingScene.open();
  });
  afterAll(() => scene.end());
  beforeEach(async () => {
    await scene.begin('2026-10-10T12:00:00Z');
    await scene.terms();
    await scene.credit(1_000n);
    await scene.owe(100n);
    await scene.now('2026-11-02T12:00:00Z');
    await scene.close();
    statement = (await scene.statements())[0]?.id ?? '';
  });
  // The ledger, the statement and the credit line say the same after every story.
  // R1 is of Stripe's balance, which these receipts never passed.
  afterEach(async () => expect((await scene.broken()).filter((fault) => !fault.startsWith('R1 '))).toEqual([]));

  type Act =
    'receive' | 'takeBack' | 'credit' | 'recover' | 'processing' | 'processingFailed' | 'markOverdue' | 'writeOff';

  const placeOf = (code: '1015' | '4010' | '5030' | '1100' | '1120'): Place =>
    code === '1100' || code === '1120'
      ? { code, asset: scene.asset, account: scene.rating.account }
      : { code, asset: scene.asset, ...(code === '4010' ? { detail: 'plan' } : {}) };

  /** Posts and says so, in one transaction, as whoever collects does. */
  const act = (
    kind: Act,
    debit: '1015' | '4010' | '5030' | '1100' | '1120',
    credit: '1015' | '5030' | '1100' | '1120',
    atomic: bigint,
  ) =>
    scene.tx(async (tx) => {
      serial += 1;
      const event = { provider: scene.rating.provider, name: `test:${serial}`, reference: statement, reason: kind };
      const leg = {
        leg: 'amount',
        debit: placeOf(debit),
        credit: placeOf(credit),
        amount: amount(scene.asset, atomic),
      };
      const done = await scene.states[kind](tx, { statement, amount: atomic });
      if (done.outcome === 'changed') await scene.ledger.post(tx, entry(event, [leg]));
      return done;
    });
  const now = async () => {
    const [{ state, paid, open, version } = { state: '', paid: 0n, open: 0n, version: 0 }] = await scene.statements();
    return [state, Number(paid), Number(open), version];
  };
  const told = async () => {
    const { rows } = await scene.owner.query<{ type: string }>(
      "SELECT type FROM webhook_events WHERE provider_id = $1 AND type LIKE 'statement.%' ORDER BY id",
      [scene.rating.provider],
    );
    return rows.map(({ type }) => type);
  };

  it('is paid in parts, and told once that it is', async () => {
    await act('receive', '1015', '1100', 40n);
    expect(await now()).toEqual(['part_paid', 40, 60, 2]);
    expect(await act('receive', '1015', '1100', 61n)).toMatchObject({ outcome: 'too_much', most: 60n });
    await act('receive', '1015', '1100', 60n);
    expect(await now()).toEqual(['paid', 100, 0, 3]);
    expect(await told()).toEqual(['statement.issued', 'statement.paid']);
  });

  it('waits for a bank debit, which fails, succeeds, and comes back weeks later', async () => {
    await act('processing', '1120', '1100', 100n);
    expect(await now()).toEqual(['processing', 0, 100, 2]);
    expect(await act('processing', '1120', '1100', 100n)).toMatchObject({ outcome: 'unchanged' });
    await act('processingFailed', '1100', '1120', 100n);
    expect(await now()).toEqual(['issued', 0, 100, 3]);
    await act('processing', '1120', '1100', 100n);
    await act('receive', '1015', '1120', 100n);
    expect(await now()).toEqual(['paid', 100, 0, 5]);
    await act('takeBack', '1100', '1015', 100n);
    expect(await now()).toEqual(['issued', 0, 100, 6]);
  });

  it('is overdue, given up, and paid after all', async () => {
    await scene.tx((tx) => scene.states.markOverdue(tx, { statement }));
    await scene.tx((tx) => scene.states.markOverdue(tx, { statement }));
    expect(await now()).toEqual(['overdue', 0, 100, 2]);
    await act('writeOff', '5030', '1100', 100n);
    expect(await now()).toEqual(['uncollectible', 0, 0, 3]);
    await scene.tx((tx) => scene.states.recover(tx, { statement, amount: 100n }));
    expect(await now()).toEqual(['paid', 100, 0, 4]);
    expect(await told()).toEqual([
      'statement.issued',
      'statement.past_due',
      'statement.uncollectible',
      'statement.paid',
    ]);
  });

  it('is lowered by a credit note, and paid with what is left', async () => {
    await act('credit', '4010', '1100', 30n);
    expect(await now()).toEqual(['issued', 0, 70, 2]);
    await act('receive', '1015', '1100', 70n);
    expect(await now()).toEqual(['paid', 70, 0, 3]);
  });

  it('is not found by another provider', async () => {
    await scene.rating.begin('2026-11-02T12:00:00Z');
    await expect(scene.tx((tx) => scene.states.lock(tx, statement))).rejects.toMatchObject({
      reason: 'unknown_statement',
    });
  });

  it('tells charges, payments and adjustments apart as the database does', async () => {
    for (const { key, counter, kind } of receivableKinds()) {
      const { rows } = await scene.owner.query<{ kind: string }>('SELECT receivable_kind($1, $2) AS kind', [
        key,
        counter,
      ]);
      expect([key, counter, rows[0]?.kind]).toEqual([key, counter, kind]);
    }
  });
});
