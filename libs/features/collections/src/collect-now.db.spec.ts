import { ATTEMPT_STATES, ATTEMPT_TRANSITIONS, COLLECTION_STATES, COLLECTION_TRANSITIONS } from '@core/collections';
import { collect } from '@core/ledger';
import { amount, USD } from '@core/money';
import { Ledger } from '@features/ledger';
import { StatementStates } from '@features/statements';
import { CollectionInterrupt, CollectionScene } from '../../../../test/support/collection-scene.js';
import { openCollectNow } from './collection-commands.js';
import { CollectionsReader } from './collections.reader.js';

describe('collections by request, by their holders and by the database', () => {
  let scene: CollectionScene;
  const reader = new CollectionsReader();

  beforeEach(async () => {
    scene = await CollectionScene.build();
  });

  afterEach(() => scene.close());

  const now = (statement: string) =>
    openCollectNow(scene.database, scene.ids, reader).run({ provider: scene.seeded.provider, statement });

  it('collects a statement before it is due when its provider asks, and has nothing to do when asked again', async () => {
    await scene.terms();
    await scene.method('pm_card_visa');
    const statement = await scene.statement(4_210n, { dueInDays: 30 });
    expect(await now(statement)).toMatchObject({ outcome: 'started', collection: { state: 'open', attempts: [] } });
    const { rows } = await scene.owner.query("SELECT 1 FROM outbox WHERE queue = 'collect-statements'");
    expect(rows).toHaveLength(1);
    await scene.round();
    expect(await now(statement)).toMatchObject({
      outcome: 'resting',
      collection: { state: 'paid', attempts: [{ number: 1, rail: 'card', state: 'succeeded', cents: 4_210n }] },
    });
    await scene.round();
    expect(scene.paidAtStripe(statement)).toEqual([4_210]);
    await expect(now(`stm_${'0'.repeat(32)}`)).rejects.toMatchObject({
      code: 'not_found',
      reason: 'unknown_statement',
    });
  });

  it('shows a provider no collection of another one', async () => {
    await scene.terms();
    const statement = await scene.statement(4_210n);
    await scene.round();
    const theirs = await scene.database.forProvider('prv_other', (tx) => reader.ofStatement(tx, statement));
    expect(theirs).toBeUndefined();
    await expect(
      openCollectNow(scene.database, scene.ids, reader).run({ provider: 'prv_other', statement }),
    ).rejects.toMatchObject({ reason: 'unknown_statement' });
  });

  it('tries ahead of the schedule, and takes no second step for it', async () => {
    await scene.terms();
    await scene.method('pm_card_chargeCustomerFail');
    const statement = await scene.statement(4_210n);
    await scene.round();
    await scene.method('pm_card_visa');
    await now(statement);
    await scene.round();
    expect(await scene.attempts(statement)).toEqual(['card failed generic_decline', 'card succeeded']);
    expect(await scene.collection(statement)).toMatchObject({ state: 'paid', dunning: 1 });
  });

  it('lets one that was halted go on from what the intent says, when an operator has looked', async () => {
    await scene.terms();
    await scene.method('pm_card_visa');
    const statement = await scene.statement(4_210n);
    const interrupt = new CollectionInterrupt();
    interrupt.armed = 'collections.confirmed';
    await expect(scene.round(scene.commands(interrupt))).rejects.toThrow('interrupted');
    await scene.owner.query("UPDATE collection_attempts SET state = 'halted', failure = 'planted'");
    await scene.owner.query("UPDATE collections SET state = 'halted', next_run_at = NULL");
    await scene.hurry();
    await scene.round();
    expect(await scene.collection(statement)).toMatchObject({ state: 'halted' });
    expect(await now(statement)).toMatchObject({ outcome: 'started', collection: { state: 'attempting' } });
    await scene.round();
    expect(await scene.statementState(statement)).toMatchObject({ state: 'paid' });
    expect(scene.paidAtStripe(statement)).toEqual([4_210]);
  });

  it('waits for a holder who has to confirm, and is paid when they have', async () => {
    await scene.terms();
    await scene.method('pm_card_authenticationRequired');
    const statement = await scene.statement(4_210n);
    const interrupt = new CollectionInterrupt();
    interrupt.armed = 'collections.before-confirm';
    await expect(scene.round(scene.commands(interrupt))).rejects.toThrow('interrupted');
    const { rows } = await scene.owner.query<{ intent: string }>(
      'SELECT payment_intent AS intent FROM collection_attempts',
    );
    const intent = rows[0]?.intent ?? '';
    // The holder is there, and confirms it as their browser does.
    await scene.stripe.paymentIntents.confirm(intent, { return_url: 'http://127.0.0.1/back' });
    await scene.hurry();
    await scene.round();
    expect(await scene.collection(statement)).toMatchObject({ state: 'requires_action' });
    expect(await scene.announced()).toContain('collection.requires_action');
    scene.standIn.drive.authenticate(intent, { succeed: true });
    const { confirm } = scene.commands();
    expect(await confirm.run({ intent })).toEqual({ outcome: 'looked', alarms: [] });
    expect(await scene.statementState(statement)).toMatchObject({ state: 'paid' });
    expect(await confirm.run({ intent })).toMatchObject({ outcome: 'settled' });
    expect(await confirm.run({ intent: 'pi_nobody' })).toMatchObject({ outcome: 'unknown' });
  });

  it('keeps what comes in for a statement that was paid otherwise meanwhile, for its account', async () => {
    await scene.terms({ rails: ['bank'] });
    await scene.method('pm_usBankAccount_success');
    const statement = await scene.statement(4_210n);
    await scene.round();
    const { provider, account } = scene.seeded;
    await scene.writer.transaction(async (tx) => {
      const half = {
        provider,
        account,
        attempt: 'att_by_hand',
        covers: amount(USD.id, 2_000n),
        cents: amount(USD.id, 2_000n),
      };
      await new Ledger().post(tx, collect({ ...half, from: 'invoiced', over: amount(USD.id, 0n) }));
      await new StatementStates(scene.ids).receive(tx, { statement, amount: 2_000n });
    });
    await scene.days(7);
    await scene.round();
    expect(await scene.statementState(statement)).toEqual({ state: 'paid', open: 0n, paid: 4_210n });
    expect(await scene.books()).toEqual({ ledger: { '1015': 6_210n, '2020': -2_000n, '4010': -4_210n }, due: 0n });
  });

  it('is past due without being collected where the account pays its statements itself', async () => {
    await scene.terms({ rails: ['usdc'], pastDue: 'warn' });
    const statement = await scene.statement(4_210n);
    const later = await scene.statement(900n, { dueInDays: 3 });
    await scene.round();
    await expect(scene.collection(statement)).rejects.toThrow('no collection');
    expect(await scene.statementState(statement)).toMatchObject({ state: 'overdue' });
    expect(await scene.statementState(later)).toMatchObject({ state: 'issued' });
    expect(await scene.standing()).toBe('warned');
    await scene.round();
    expect(await scene.announced()).toEqual(['statement.past_due']);
  });

  it('may go in the database as the tables of core say and not otherwise; what was written to be sent never changes', async () => {
    const pairsOf = async (name: string): Promise<string[]> => {
      const { rows } = await scene.owner.query<{ source: string }>(
        'SELECT prosrc AS source FROM pg_proc WHERE proname = $1',
        [name],
      );
      return [...(rows[0]?.source ?? '').matchAll(/\('(\w+)', '(\w+)'\)/g)]
        .map(([, from, to]) => `${from} ${to}`)
        .sort();
    };
    expect(await pairsOf('refuse_illegal_attempt_transition')).toEqual(
      ATTEMPT_STATES.flatMap((from) => ATTEMPT_TRANSITIONS[from].map((to) => `${from} ${to}`)).sort(),
    );
    expect(await pairsOf('refuse_illegal_collection_transition')).toEqual(
      COLLECTION_STATES.flatMap((from) => COLLECTION_TRANSITIONS[from].map((to) => `${from} ${to}`)).sort(),
    );
    await scene.terms();
    await scene.method('pm_card_visa');
    await scene.statement(4_210n);
    await scene.round();
    for (const change of ["create_body = '{}'", 'cents = 1000', "payment_intent = 'pi_other'"])
      await expect(scene.writer.query(`UPDATE collection_attempts SET ${change}`)).rejects.toThrow('sent as it is');
    await expect(scene.writer.query("UPDATE collection_attempts SET state = 'failed'")).rejects.toThrow(
      'from succeeded to failed',
    );
    await expect(scene.writer.query("UPDATE collections SET state = 'open'")).rejects.toThrow('from paid to open');
    await expect(scene.owner.query('UPDATE collection_evidence SET answer = $1', ['other'])).rejects.toThrow();
  });
});
