import { addMs, formatInstant, instant, monthOf } from '@core/time';
import { railOf, verifyBooks } from '../support/books.js';
import { ASSET } from '../support/credit-scene.js';
import { DeferredHouse } from '../support/deferred-house.js';
import { until } from '../support/until.js';

// An agent works for a month and is billed by card at its end: over HTTP, with an api, a worker and the local stand-in for Stripe, each a
// server of its own that the others know by its address alone.

const DAY = 86_400_000;

describe('a month of a deferred account, in USDC by card', () => {
  let deferred: DeferredHouse;

  beforeAll(async () => {
    deferred = await DeferredHouse.open('a house');
  }, 120_000);
  afterAll(() => deferred.close());

  it('is used up to its limit, billed, collected, and free again', async () => {
    const end = monthOf(instant(Date.now())).start;
    const month = monthOf(addMs(end, -1));
    const lastNoon = addMs(end, -DAY / 2);
    await deferred.api('POST', '/v1/meters', { name: 'tokens', aggregation: 'sum', unit: 'token' });
    const price = { meter: 'tokens', model: 'per_unit', definition: { rate: '0.0005' }, asset: ASSET };
    await deferred.api('POST', '/v1/prices', { ...price, effectiveAt: formatInstant(month.start) });
    const account: string = (await deferred.api('POST', '/v1/accounts', { name: 'agent-7' })).id;
    await deferred.api('PUT', `/v1/accounts/${account}/terms`, { asset: ASSET, period: 'month', rails: ['card'] });
    await deferred.api('PUT', `/v1/accounts/${account}/credit`, { asset: ASSET, limit: '1013000' });
    await deferred.billsPeriod(account, month);
    await deferred.holderStores(account, 'pm_card_visa');
    await deferred.isNow(lastNoon);

    // 2000 tokens at half a thousandth of a dollar, and calls while there is credit.
    const used = { specversion: '1.0', id: '1', source: '/shop', type: 'tokens', subject: 'agent-7' };
    const sent = await deferred.api(
      'POST',
      '/v1/events',
      { ...used, time: formatInstant(lastNoon), data: { value: '2000' } },
      {
        'content-type': 'application/cloudevents+json',
      },
    );
    expect(sent).toMatchObject({ accepted: 1 });
    const line = async () => (await deferred.api('GET', `/v1/accounts/${account}/credit`)).data[0];
    await until('the usage to be rated', async () => (await line()).due === '1000000');
    const agent = await deferred.agent(account);
    expect([await deferred.call(agent), await deferred.call(agent), await deferred.call(agent)]).toEqual([
      200, 200, 200,
    ]);
    expect(await deferred.call(agent)).toBe('insufficient_credits');
    expect(await deferred.ledger()).toEqual({ '1110 USDC': 1_012_000n, '4010 USDC': -1_012_000n });

    await deferred.isNow();
    await deferred.api('POST', '/v1/statements/close', { account });
    const statements = async () => (await deferred.api('GET', `/v1/accounts/${account}/statements`)).data;
    const [issued] = await statements();
    expect(issued).toMatchObject({ number: 'S-000001', due: '1012000' });
    deferred.issued.push({ statement: issued.id, account, asset: ASSET, due: 1_012_000n });

    // Whole cents by card; what is less than one is owed on.
    await until('the statement to be paid', async () => (await statements())[0].state === 'paid');
    expect(await deferred.api('GET', `/v1/statements/${issued.id}/collection`)).toMatchObject({
      state: 'paid',
      attempts: [{ rail: 'card', state: 'succeeded', cents: '101', covers: '1010000' }],
    });
    expect(deferred.standIn.successesFor('statement', issued.id).map(({ amount }) => amount)).toEqual([101]);
    expect(await line()).toMatchObject({ due: '2000' });
    expect(await deferred.call(agent)).toBe(200);

    // Stripe pays out, says so, and its books are ours.
    await deferred.standIn.clock.advance(3 * DAY);
    await until('all books to be equal', async () => (await deferred.faults()).length === 0, undefined, 60_000).catch(
      async () => {
        expect(await deferred.faults()).toEqual([]);
      },
    );
    expect(await deferred.ledger()).toEqual({
      ...{ '1030 USD': 68n, '5010 USD': 33n, '5060 USD': -101n },
      ...{ '1110 USDC': 6_000n, '5060 USDC': 1_010_000n, '4010 USDC': -1_016_000n },
    });
    expect(deferred.standIn.books().sums.usd).toMatchObject({ charged: 101, fees: 33, paidOut: 68, balance: 0 });
    const { house } = deferred;
    const findings = await verifyBooks(house.db.auditUrl, railOf(house.config));
    expect(findings.flatMap(({ faults }) => faults)).toEqual([]);
  }, 240_000);
});
