import { Agent } from 'node:http';
import { paywall } from '@farebox/paywall/express';
import {
  decodePaymentRequired,
  encodePaymentPayload,
  encodePaymentPayloadV1,
  exactPayloadOf,
  type PaymentRequirements,
} from '@core/x402';
import { verifyBooks, railOf } from '../support/books.js';
import { House } from '../support/house.js';
import { Payer } from '../support/payer.js';
import { type RawAnswer, rawRequest } from '../support/raw-request.js';
import { until } from '../support/until.js';

// The long form: PRESENTATIONS=1000 ROUNDS=20.
const PRESENTATIONS = Number(process.env['PRESENTATIONS'] ?? 250);
const ROUNDS = Number(process.env['ROUNDS'] ?? 3);
const PROCESSES = 4;
const TIME_MS = 60_000 + ROUNDS * 20_000;

/** A connection for each presentation: none that the other side may be about to close. */
const connections = new Agent({ keepAlive: false });

describe(`one payment presented ${PRESENTATIONS} times at once to ${PROCESSES} api processes`, () => {
  let house: House;
  let gates: string[];
  let doors: string[];
  let ran = 0;
  let seller: Promise<unknown> = Promise.resolve();

  beforeAll(async () => {
    house = await House.build({ release: 'authorized' });
    // One after the other: together they would keep a small machine from all of them.
    gates = [];
    while (gates.length < PROCESSES) gates.push(await house.startApi());
    doors = await Promise.all(
      gates.map((gateUrl) => {
        // All doors are one provider behind one public name, as behind a load balancer.
        const price = paywall({ gateUrl, key: house.key, publicUrl: 'https://api.example.com' })({
          meter: 'api.calls',
        });
        return house.serve((request, response) => {
          void price(request, response, () => {
            ran += 1;
            const answer = `answer ${ran} to ${request.url}`;
            void seller.then(() => response.end(answer));
          });
        });
      }),
    );
  }, 180_000);

  afterAll(() => house.close());

  beforeEach(() => {
    ran = 0;
    seller = Promise.resolve();
  });

  const funded = async (): Promise<Payer> => {
    const payer = new Payer();
    await house.usdc.mint(payer.address, 1_000_000n);
    return payer;
  };

  const offerOf = async (path: string): Promise<PaymentRequirements> => {
    const challenge = await fetch(`${doors[0]}${path}`);
    const required = decodePaymentRequired(challenge.headers.get('PAYMENT-REQUIRED') ?? '');
    const offer = required.ok ? required.payload.accepts.find(({ scheme }) => scheme === 'exact') : undefined;
    if (!offer) throw new Error('no offer');
    return offer;
  };

  /** One authorization, and the headers that carry it: as both versions of the protocol write it. */
  const signed = async (path: string) => {
    const offer = await offerOf(path);
    const authorization = await (await funded()).accept(offer, Math.floor(Date.now() / 1000));
    const payload = { ...exactPayloadOf(authorization) };
    const two = encodePaymentPayload({ x402Version: 2, accepted: offer, payload });
    const one = encodePaymentPayloadV1({ x402Version: 1, scheme: 'exact', network: 'base-sepolia', payload });
    const headers: Record<string, string>[] = [{ 'PAYMENT-SIGNATURE': two }, { 'X-PAYMENT': one }];
    return { offer, payload, payer: authorization.from, headers };
  };

  const present = (path: string, door: number, headers: Record<string, string> | undefined): Promise<RawAnswer> => {
    return rawRequest(doors[door % doors.length] ?? '', { path, headers }, connections);
  };

  const payments = async (payer: string) =>
    (
      await house.owner.query<{ id: string; state: string; origin: string }>(
        'SELECT id, state, origin FROM payments WHERE payer = $1',
        [payer],
      )
    ).rows;

  it(
    'runs the handler once; every other caller gets the stored answer or a clear 409, and the stored answer later',
    async () => {
      for (let round = 0; round < ROUNDS; round += 1) {
        ran = 0;
        const path = `/x?round=${round}`;
        const { headers, payer } = await signed(path);
        // Every third round the seller takes its time, until all others had their answers.
        let finish = (): void => undefined;
        const slow = round % 3 === 2;
        seller = slow ? new Promise<void>((resolve) => (finish = resolve)) : Promise.resolve();
        let answered = 0;
        const presented = Promise.all(
          Array.from({ length: PRESENTATIONS }, async (_, i) => {
            const answer = await present(path, i, headers[i % 7 === 0 ? 1 : 0]);
            answered += 1;
            return answer;
          }),
        );
        if (slow) await until('all others to be answered', async () => answered === PRESENTATIONS - 1);
        finish();
        const answers = await presented;
        expect(ran).toBe(1);
        const stored = answers.filter(({ status }) => status === 200);
        if (slow) expect(stored).toHaveLength(1);
        expect(new Set(stored.map(({ text }) => text))).toEqual(new Set([`answer 1 to ${path}`]));
        const refused = answers.filter(({ status }) => status !== 200);
        expect(new Set(refused.map(({ status }) => status)).size).toBeLessThanOrEqual(1);
        for (const { status, text } of refused) {
          expect(status).toBe(409);
          expect(JSON.parse(text)).toMatchObject({ reason: 'payment_in_progress' });
        }
        const later = await Promise.all(
          doors.flatMap((_, door) => headers.map((header) => present(path, door, header))),
        );
        expect(new Set(later.map(({ status, text }) => `${status} ${text}`))).toEqual(
          new Set([`200 answer 1 to ${path}`]),
        );
        expect(ran).toBe(1);
        expect(await payments(payer)).toMatchObject([{ origin: 'gate', state: expect.stringMatching(/served|settl/) }]);
      }
    },
    TIME_MS,
  );

  it(
    'pays for one of many requests that it is presented for at once, whichever comes first',
    async () => {
      // Version 1 names no resource, so that the same authorization fits every path of the same price: the claim decides.
      for (let round = 0; round < ROUNDS; round += 1) {
        ran = 0;
        const { headers, payer } = await signed(`/any/${round}/0`);
        const answers = await Promise.all(
          Array.from({ length: PRESENTATIONS }, (_, i) => present(`/any/${round}/${i}`, i, headers[1])),
        );
        expect(ran).toBe(1);
        expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
        for (const { status, text } of answers.filter((answer) => answer.status !== 200)) {
          expect(status).toBe(409);
          expect(JSON.parse(text)).toMatchObject({ reason: 'authorization_consumed' });
        }
        expect(await payments(payer)).toHaveLength(1);
      }
    },
    TIME_MS,
  );

  it(
    'is taken by the gate or by the facilitator, never by both, and every settle is told the same',
    async () => {
      await house.startWorker();
      for (let round = 0; round < ROUNDS; round += 1) {
        ran = 0;
        const path = `/both/${round}`;
        const { offer, payload, headers, payer } = await signed(path);
        const paymentPayload = { x402Version: 2, accepted: offer, payload };
        const body = JSON.stringify({ x402Version: 2, paymentPayload, paymentRequirements: offer });
        const settle = async (gate: number): Promise<string> => {
          const url = `${gates[gate % gates.length]}/x402/settle`;
          const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
          const answer: unknown = await response.json();
          if (typeof answer !== 'object' || answer === null || !('errorReason' in answer)) return 'settled';
          return String(answer.errorReason);
        };
        const [answers, settled] = await Promise.all([
          Promise.all(Array.from({ length: 12 }, (_, i) => present(path, i, headers[0]))),
          Promise.all(Array.from({ length: 8 }, (_, i) => settle(i))),
        ]);
        const taken = settled.filter((reason) => reason !== 'invalid_exact_evm_nonce_already_used');
        const claims = await payments(payer);
        expect(claims).toHaveLength(1);
        expect(ran).toBe(claims[0]?.origin === 'gate' ? 1 : 0);
        expect(taken).toEqual(claims[0]?.origin === 'gate' ? [] : Array.from({ length: 8 }, () => 'settled'));
        for (const { status } of answers) expect([200, 409]).toContain(status);
        expect(answers.some(({ status }) => status === 200)).toBe(ran === 1);
      }
    },
    TIME_MS,
  );

  it('leaves one payment for each authorization, each settled once', async () => {
    expect((await house.owner.query('SELECT 1 FROM payments')).rowCount).toBe(3 * ROUNDS);
    await house.untilAll('settled');
    const { rows } = await house.owner.query<{ charged: string }>('SELECT sum(charged)::text AS charged FROM payments');
    expect(rows[0]?.charged).toBe(String(await house.usdc.balance(house.payTo)));
    const findings = await verifyBooks(house.db.auditUrl, railOf(house.config));
    expect(findings.flatMap(({ faults }) => faults)).toEqual([]);
  }, 120_000);
});
