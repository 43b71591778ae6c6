import { CollectionScene, type FaultKind } from '../../../../test/support/collection-scene.js';

const CALLS = {
  create: 'POST /v1/payment_intents',
  confirm: 'POST /v1/payment_intents/*/confirm',
  read: 'GET /v1/payment_intents/*',
  cancel: 'POST /v1/payment_intents/*/cancel',
};

const KINDS: readonly FaultKind[] = [
  'error_before',
  'error_after',
  'error_stored',
  'close_before',
  'close_after',
  'rate_limit',
  'conflict',
];

describe('an answer of Stripe that does not come', () => {
  let scene: CollectionScene;

  beforeAll(async () => {
    scene = await CollectionScene.build();
    await scene.terms();
  });

  afterAll(() => scene.close());

  // What a test leaves in dunning is not tried in the next one.
  afterEach(async () => {
    scene.standIn.faults.clear();
    await scene.owner.query('UPDATE collections SET next_run_at = NULL');
  });

  /** Rounds until it rests, with time between them. */
  const untilRest = async (statement: string): Promise<string> => {
    for (let i = 0; i < 12; i += 1) {
      await scene.hurry();
      await scene.round();
      const { state } = await scene.collection(statement);
      if (['paid', 'dunning', 'halted'].includes(state)) return state;
    }
    return (await scene.collection(statement)).state;
  };

  const cases = KINDS.flatMap((kind) => (['create', 'confirm', 'read'] as const).map((call) => [kind, call] as const));

  it.each(cases)('%s at %s: collected once, whatever happened', async (kind, call) => {
    await scene.method('pm_card_visa');
    const statement = await scene.statement(4_210n);
    scene.standIn.faults.add({ path: CALLS[call], script: [kind, kind] });
    await scene.round();
    const afterTrouble = await scene.attempts(statement);
    expect(afterTrouble.filter((said) => said.includes('failed'))).toEqual([]);
    expect(await untilRest(statement)).toBe('paid');
    expect(scene.paidAtStripe(statement)).toEqual([4_210]);
    expect(await scene.statementState(statement)).toMatchObject({ state: 'paid' });
  });

  it.each(KINDS)('%s when a declined intent is cancelled: it is, before anything else is tried', async (kind) => {
    await scene.method('pm_card_chargeCustomerFail');
    const statement = await scene.statement(4_210n);
    scene.standIn.faults.add({ path: CALLS.cancel, script: [kind, kind] });
    expect(await untilRest(statement)).toBe('dunning');
    expect(await scene.attempts(statement)).toEqual(['card failed generic_decline']);
    const ours = scene.standIn.books().paymentIntents.filter(({ metadata }) => metadata.statement === statement);
    expect(ours.map(({ status }) => status)).toEqual(['canceled']);
  });

  it('says so when Stripe gives no clear answer again and again', async () => {
    await scene.method('pm_card_visa');
    const statement = await scene.statement(4_210n);
    scene.standIn.faults.add({ path: CALLS.create, share: 1, kinds: ['close_before'] });
    const alarms: string[] = [];
    for (let i = 0; i < 9; i += 1) {
      await scene.hurry();
      alarms.push(...(await scene.round()));
    }
    expect(alarms.filter((alarm) => alarm.includes('no clear answer')).length).toBe(1);
    scene.standIn.faults.clear();
    expect(await untilRest(statement)).toBe('paid');
  });

  it('looks the intent up instead of asking for another one when the key is too old', async () => {
    await scene.method('pm_card_visa');
    const statement = await scene.statement(4_210n);
    scene.standIn.faults.add({ path: CALLS.create, share: 1, kinds: ['close_after'] });
    await scene.round();
    expect(await scene.attempts(statement)).toEqual(['card prepared']);
    scene.standIn.faults.clear();
    await scene.owner.query(
      "UPDATE collection_attempts SET created_at = created_at - interval '23 h' WHERE statement_id = $1",
      [statement],
    );
    await scene.hurry();
    await scene.round();
    // Found, and too old to be confirmed under its key: let go, and the next one is paid.
    expect(await untilRest(statement)).toBe('paid');
    expect(await scene.attempts(statement)).toEqual(['card abandoned', 'card succeeded']);
    expect(scene.paidAtStripe(statement)).toEqual([4_210]);
    const ours = scene.standIn.books().paymentIntents.filter(({ metadata }) => metadata.statement === statement);
    expect(ours.map(({ status }) => status)).toEqual(expect.arrayContaining(['canceled', 'succeeded']));
  });
});
