import { paywall } from '@farebox/paywall/express';
import { agentWith } from '../support/agent.js';
import { House } from '../support/house.js';
import { until } from '../support/until.js';

describe('a settlement whose outcome nobody knows yet', () => {
  let house: House;
  let provider: string;
  let served = 0;

  beforeAll(async () => {
    // No worker runs: payments are served and stay on their way.
    house = await House.build({ release: 'confirmed', config: { RELEASE_WAIT_MS: '300' } });
    const price = paywall({ gateUrl: house.url, key: house.key })({ meter: 'api.calls' });
    provider = await house.serve((request, response) => {
      void price(request, response, () => {
        served += 1;
        response.setHeader('content-type', 'text/plain');
        response.end(`answer ${served}`);
      });
    });
  });

  afterAll(() => house.close());

  it('is pending with a status URL, never failed, never a new challenge; the answer comes when it is known', async () => {
    const wallet = await house.wallet(10, 1_000_000n);
    let paid: Headers | undefined;
    const recording: typeof fetch = (input, init) => {
      const request = new Request(input, init);
      if (request.headers.has('PAYMENT-SIGNATURE')) paid = new Headers(request.headers);
      return fetch(request);
    };
    const first = await agentWith(wallet, house.chain.url, recording)(`${provider}/x`);
    expect(first.status).toBe(202);
    const pending: unknown = await first.json();
    expect(pending).toMatchObject({ status: 'settlement_pending', statusUrl: first.headers.get('location') });
    expect(JSON.stringify(pending)).not.toContain('answer 1');
    expect(await (await fetch(first.headers.get('location') ?? '')).json()).toMatchObject({ status: 'served' });

    const present = () => fetch(`${provider}/x`, { headers: new Headers(paid) });
    const again = await present();
    expect(again.status).toBe(202);
    expect(again.headers.get('PAYMENT-REQUIRED')).toBeNull();

    await house.startWorker();
    const known = await until('the answer', async () => {
      const response = await present();
      return response.status === 200 ? response.text() : undefined;
    });
    expect(known).toBe('answer 1');
    expect(served).toBe(1);
    await house.untilAll('settled');
    expect(await house.usdc.balance(wallet.address)).toBe(996_000n);
  });
});
