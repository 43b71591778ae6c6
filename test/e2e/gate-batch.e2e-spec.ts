import express from 'express';
import { paywall } from '@farebox/paywall/express';
import { agentWith } from '../support/agent.js';
import { House } from '../support/house.js';

interface Line {
  readonly n: number;
  readonly status: number;
  readonly answer: Readonly<Record<string, unknown>>;
}

describe('many questions to the gate in one exchange', () => {
  let house: House;

  beforeAll(async () => {
    house = await House.build();
    await house.startWorker();
  });

  afterAll(() => house.close());

  const post = (lines: readonly unknown[], key = house.key) =>
    fetch(`${house.url}/v1/gate/batch`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson', authorization: `Bearer ${key}` },
      body: lines.map((line) => JSON.stringify(line)).join('\n'),
    });

  it('are answered each as by its own route', async () => {
    const check = { method: 'GET', url: 'https://shop.example/a', meter: 'api.calls' };
    const answer = await post([
      { ask: 'check', question: check },
      { ask: 'check', question: { ...check, meter: 'no.such.meter' } },
      { ask: 'check', question: { ...check, more: 1 } },
      { ask: 'void', question: { payment: 'pay_01a0000000000000000000000000000' } },
      { ask: 'refund', question: {} },
    ]);
    expect(answer.status).toBe(200);
    const lines = (await answer.text())
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Line)
      .sort((a, b) => a.n - b.n);
    expect(lines.map(({ n }) => n)).toEqual([0, 1, 2, 3, 4]);
    expect(lines[0]).toMatchObject({ status: 200, answer: { decision: 'pay', reply: { status: 402 } } });
    for (const [n, status] of [
      [2, 400],
      [4, 400],
    ] as const)
      expect(lines[n]).toMatchObject({ status, answer: { reason: 'invalid_body' } });
    const alone = await house.call('/v1/gate/check', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...check, meter: 'no.such.meter' }),
    });
    const { instance: _, ...problem } = (await alone.json()) as Record<string, unknown>;
    expect(lines[1]).toMatchObject({ status: alone.status, answer: problem });
    expect(lines[3]?.status).toBeGreaterThanOrEqual(400);
  });

  it('are not answered to a stranger', async () => {
    expect((await post([{ ask: 'void', question: {} }], `${house.key.slice(0, -4)}aaaa`)).status).toBe(401);
  });

  it('carry what many agents buy at once, each served and charged once', async () => {
    const app = express();
    let served = 0;
    app.get('/hello', paywall({ gateUrl: house.url, key: house.key })({ meter: 'api.calls' }), (_request, response) => {
      served += 1;
      response.json({ hello: 'agent' });
    });
    const shop = await house.serve(app);
    const wallets = await Promise.all(Array.from({ length: 12 }, (_, i) => house.wallet(20 + i, 1_000_000n)));
    const answers = await Promise.all(wallets.map((wallet) => agentWith(wallet, house.chain.url)(`${shop}/hello`)));
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(200));
    expect(served).toBe(12);
    const figures = await (await fetch(`${house.url}/metrics`)).text();
    const exchanges = /http_request_seconds_count\{method="POST",route="\/v1\/gate\/batch",status="200"\} (\d+)/.exec(
      figures,
    )?.[1];
    expect(Number(exchanges)).toBeGreaterThan(1);
    expect(figures).toContain('farebox_gate_decisions_total{decision="release"} 12');
  });
});
