import { paywall } from '@farebox/paywall/express';
import { encodePaymentPayload, decodePaymentRequired, exactPayloadOf } from '@core/x402';
import { House } from '../support/house.js';
import { Payer } from '../support/payer.js';

describe('one payment presented 200 times at once to two api processes', () => {
  let house: House;

  beforeAll(async () => {
    house = await House.build({ release: 'authorized' });
  });

  afterAll(() => house.close());

  it('runs the handler once; every other caller gets the stored answer or a clear 409', async () => {
    let ran = 0;
    const gates = await Promise.all([house.startApi(), house.startApi()]);
    const doors = await Promise.all(
      gates.map((gateUrl) => {
        // Both doors are one provider behind one public name, as behind a load balancer.
        const price = paywall({ gateUrl, key: house.key, publicUrl: 'https://api.example.com' })({
          meter: 'api.calls',
        });
        return house.serve((request, response) => {
          void price(request, response, () => {
            ran += 1;
            response.end(`answer ${ran}`);
          });
        });
      }),
    );
    for (let round = 0; round < 3; round += 1) {
      ran = 0;
      const payer = new Payer();
      await house.usdc.mint(payer.address, 1_000_000n);
      const challenge = await fetch(`${doors[0]}/x`);
      const required = decodePaymentRequired(challenge.headers.get('PAYMENT-REQUIRED') ?? '');
      const offer = required.ok ? required.payload.accepts[0] : undefined;
      if (!offer) throw new Error('no offer');
      const authorization = await payer.accept(offer, Math.floor(Date.now() / 1000));
      const header = encodePaymentPayload({
        x402Version: 2,
        accepted: offer,
        payload: { ...exactPayloadOf(authorization) },
      });
      const answers = await Promise.all(
        Array.from({ length: 200 }, async (_, i) => {
          const response = await fetch(`${doors[i % 2]}/x`, { headers: { 'PAYMENT-SIGNATURE': header } });
          return { status: response.status, text: await response.text() };
        }),
      );
      expect(ran).toBe(1);
      const stored = answers.filter(({ status }) => status === 200);
      expect(stored.length).toBeGreaterThan(0);
      expect(new Set(stored.map(({ text }) => text))).toEqual(new Set(['answer 1']));
      for (const { status, text } of answers.filter((answer) => answer.status !== 200)) {
        expect(status).toBe(409);
        expect(JSON.parse(text)).toMatchObject({ reason: 'payment_in_progress' });
      }
    }
    expect((await house.owner.query('SELECT 1 FROM payments')).rowCount).toBe(3);
  });
});
