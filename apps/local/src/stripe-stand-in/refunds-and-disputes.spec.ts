import { DAY, HOUR, MINUTE } from './clock.js';
import { openScene, pay, rejection, theId } from './scene.js';
import type { Scene } from './scene.js';

describe('refunds on the local stand-in', () => {
  let scene: Scene;
  beforeEach(async () => (scene = await openScene()));
  afterEach(() => scene.standIn.close());

  it('gives a card payment back in parts, and no more than was taken', async () => {
    const { stripe } = scene;
    const { id: payment_intent, latest_charge: charge } = await pay(scene, 'pm_card_visa', 10_000);
    const part = await stripe.refunds.create({ payment_intent, amount: 4000, reason: 'requested_by_customer' });
    expect(part).toMatchObject({ status: 'succeeded', amount: 4000, charge, reason: 'requested_by_customer' });
    const line = await stripe.balanceTransactions.retrieve(theId(part.balance_transaction));
    expect(line).toMatchObject({
      type: 'refund',
      amount: -4000,
      fee: 0,
      net: -4000,
      source: part.id,
      status: 'available',
    });
    expect(await rejection(stripe.refunds.create({ payment_intent, amount: 6001 }))).toMatchObject({ param: 'amount' });
    const rest = await stripe.refunds.create({ charge: theId(charge), expand: ['charge'] });
    expect(rest).toMatchObject({ amount: 6000, charge: { refunded: true, amount_refunded: 10_000 } });
    expect((await rejection(stripe.refunds.create({ payment_intent }))).code).toBe('charge_already_refunded');
    expect((await stripe.refunds.list({ payment_intent })).data.map(({ id }) => id)).toEqual([rest.id, part.id]);
    expect((await stripe.events.list({ types: ['refund.created', 'charge.refunded'] })).data).toHaveLength(4);
    const labelled = await stripe.refunds.update(part.id, { metadata: { note: 'CN-1' } });
    expect((await stripe.refunds.retrieve(part.id)).metadata).toEqual(labelled.metadata);
  });

  it('pends a refund to a bank account for days', async () => {
    const { stripe, standIn } = scene;
    const { id: payment_intent } = await pay(scene, 'pm_usBankAccount_success');
    expect((await rejection(stripe.refunds.create({ payment_intent }))).code).toBe('charge_not_refundable');
    await standIn.clock.advance(7 * DAY);
    const made = await stripe.refunds.create({ payment_intent, amount: 500 });
    expect(made).toMatchObject({ status: 'pending', pending_reason: 'processing' });
    expect(made.id).toMatch(/^pyr_/);
    await standIn.clock.advance(7 * DAY);
    expect((await stripe.refunds.retrieve(made.id)).status).toBe('succeeded');
  });

  it('pends, then succeeds; succeeds, then fails and brings the money back', async () => {
    const { stripe, standIn } = scene;
    const pending = await stripe.refunds.create({ payment_intent: (await pay(scene, 'pm_card_pendingRefund')).id });
    const { id: payment_intent } = await pay(scene, 'pm_card_refundFail');
    const failing = await stripe.refunds.create({ payment_intent });
    expect([pending.status, failing.status]).toEqual(['pending', 'succeeded']);
    await standIn.clock.advance(2 * HOUR);
    expect((await stripe.refunds.retrieve(pending.id)).status).toBe('succeeded');
    const failed = await stripe.refunds.retrieve(failing.id, { expand: ['failure_balance_transaction', 'charge'] });
    expect(failed).toMatchObject({
      status: 'failed',
      failure_balance_transaction: { type: 'refund_failure', amount: 26_400 },
      charge: { amount_refunded: 0, refunded: false },
    });
    expect((await stripe.events.list({ type: 'refund.failed' })).data).toHaveLength(1);
    expect((await stripe.refunds.create({ payment_intent, amount: 100 })).status).toBe('succeeded');
  });
});

describe('disputes on the local stand-in', () => {
  let scene: Scene;
  beforeEach(async () => (scene = await openScene()));
  afterEach(() => scene.standIn.close());

  async function disputed(name = 'pm_card_createDispute') {
    const { stripe, standIn } = scene;
    const { id: payment_intent } = await pay(scene, name);
    expect((await stripe.disputes.list({ payment_intent })).data).toEqual([]);
    await standIn.clock.advance(DAY);
    const [dispute] = (await stripe.disputes.list({ payment_intent })).data;
    if (dispute === undefined) throw new Error('It was not disputed.');
    return dispute;
  }

  it('withdraws amount and fee when a card payment is disputed, and refunds nothing meanwhile', async () => {
    const { stripe } = scene;
    const dispute = await disputed();
    expect(dispute).toMatchObject({ status: 'needs_response', reason: 'fraudulent', amount: 26_400, currency: 'usd' });
    expect(dispute.balance_transactions).toMatchObject([
      { amount: -26_400, fee: 1500, net: -27_900, source: dispute.id },
    ]);
    expect((await rejection(stripe.refunds.create({ charge: theId(dispute.charge) }))).code).toBe('charge_disputed');
    const shown = await stripe.disputes.retrieve(dispute.id, { expand: ['charge', 'payment_intent'] });
    expect(shown).toMatchObject({ charge: { disputed: true }, payment_intent: { status: 'succeeded' } });
  });

  it('is won with the documented evidence: the amount comes back, the fee does not', async () => {
    const { stripe, standIn } = scene;
    const dispute = await disputed();
    const draft = await stripe.disputes.update(dispute.id, {
      evidence: { product_description: 'calls' },
      submit: false,
    });
    expect(draft).toMatchObject({ status: 'needs_response', evidence: { product_description: 'calls' } });
    const sent = await stripe.disputes.update(dispute.id, { evidence: { uncategorized_text: 'winning_evidence' } });
    expect(sent).toMatchObject({ status: 'under_review', evidence_details: { submission_count: 1 } });
    await standIn.clock.advance(2 * MINUTE);
    const won = await stripe.disputes.retrieve(dispute.id);
    expect(won.status).toBe('won');
    expect(won.balance_transactions.map(({ net }) => net)).toEqual([-27_900, 26_400]);
    expect((await stripe.events.list({ type: 'charge.dispute.funds_reinstated' })).data).toHaveLength(1);
    expect((await rejection(stripe.disputes.close(dispute.id))).code).toBe('dispute_closed');
  });

  it.each([
    ['losing evidence', MINUTE, { uncategorized_text: 'losing_evidence' }],
    ['evidence that convinces nobody', 60 * DAY, { uncategorized_text: 'please' }],
  ])('is lost with %s', async (_what, wait, evidence) => {
    const { stripe, standIn } = scene;
    const dispute = await disputed('pm_card_createDisputeProductNotReceived');
    await stripe.disputes.update(dispute.id, { evidence });
    await standIn.clock.advance(wait);
    const lost = await stripe.disputes.retrieve(dispute.id);
    expect(lost).toMatchObject({ status: 'lost', reason: 'product_not_received' });
    expect(lost.balance_transactions).toHaveLength(1);
  });

  it('is lost when it is accepted, and when nobody answers in two weeks', async () => {
    const { stripe, standIn } = scene;
    const accepted = await stripe.disputes.close((await disputed()).id);
    expect(accepted.status).toBe('lost');
    const silent = await disputed();
    await standIn.clock.advance(14 * DAY);
    expect(await stripe.disputes.retrieve(silent.id)).toMatchObject({
      status: 'lost',
      evidence_details: { past_due: true },
    });
    expect((await stripe.events.list({ type: 'charge.dispute.closed' })).data).toHaveLength(2);
  });

  it('is not opened for what was given back before', async () => {
    const { stripe, standIn } = scene;
    const { id: payment_intent } = await pay(scene, 'pm_card_createDispute');
    await stripe.refunds.create({ payment_intent });
    await standIn.clock.advance(3 * DAY);
    expect((await stripe.disputes.list()).data).toEqual([]);
  });

  it('withdraws nothing for an inquiry', async () => {
    const { stripe, standIn } = scene;
    const { id: payment_intent } = await pay(scene, 'pm_card_createDisputeInquiry');
    const [inquiry] = (await stripe.disputes.list({ payment_intent })).data;
    expect(inquiry).toMatchObject({ status: 'warning_needs_response', balance_transactions: [] });
    standIn.drive.decideDispute(inquiry?.id ?? '', { won: false });
    expect((await stripe.disputes.retrieve(inquiry?.id ?? '')).status).toBe('warning_closed');
    expect(standIn.books().sums.usd).toMatchObject({ withdrawn: 0, fees: 796 });
  });
});
