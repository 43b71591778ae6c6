import { Agent } from 'node:http';
import { paywall } from '@farebox/paywall/express';
import { erc20Asset } from '@core/money';
import { decodePaymentRequired, type ExactAuthorization, exactPayloadOf, type PaymentRequirements } from '@core/x402';
import { CreateMeter } from '@features/metering';
import { CreatePrice } from '@features/pricing';
import { Outbox } from '@platform/queues';
import { CreateKey, CreateProvider } from '@features/accounts';
import { Dice } from '../model/dice.js';
import { each } from '../support/at-once.js';
import { railOf, verifyBooks } from '../support/books.js';
import { House } from '../support/house.js';
import { Payer, USDC_ADDRESS } from '../support/payer.js';
import { type RawAnswer, rawRequest } from '../support/raw-request.js';
import {
  apply,
  type Asked,
  type Attempt,
  changed,
  disguise,
  fitsBoth,
  headerOf,
  type Loot,
  SIGNED,
  substitute,
  TERMS,
} from '../support/substitutions.js';
import { TRANSFER_TYPES } from '../support/transfer-types.js';

// The long form: SUBSTITUTIONS=10000. A failing case is found again by SEED.
const SUBSTITUTIONS = Number(process.env['SUBSTITUTIONS'] ?? 1_000);
const SEED = Number(process.env['SEED'] ?? 1);
/** Substitutions tried with one payment, half of them before it is used and half after. */
const EACH = 40;

const PUBLIC_URL = 'https://api.example.com';
const METERS = ['api.calls', 'compute.seconds', 'dear.calls'];
const SETTLED_TERMS = ['network', 'asset', 'payTo', 'amount', 'scheme', 'token name', 'token version'];

const connections = new Agent({ keepAlive: true, maxSockets: 64 });

const raw = (
  { shop: _, meter, quantity, ...request }: Asked,
  url: string,
  payment: Readonly<Record<string, string>> = {},
) => rawRequest(url, { ...request, headers: { 'x-meter': meter, 'x-quantity': quantity, ...payment } }, connections);

const wordsOf = ({ shop, method, path, body, meter, quantity }: Asked): string =>
  [shop, method, path, body ?? '', meter, quantity].join(' ');

describe('a payment presented for what it was not signed for', () => {
  let house: House;
  const shops = { ours: '', twin: '', other: '' };
  const payTo = { ours: '', twin: '', other: '' };
  /** What was handed out, in words. */
  let granted: string[] = [];

  /** A provider of its own, with the same meters and prices. @returns its key */
  const provider = async (payee: string): Promise<string> => {
    const [api] = house.apis;
    if (!api) throw new Error('the house has an api');
    const { database, ids, clock, config } = api.rim;
    const { id } = await new CreateProvider(database, ids, clock).run({ name: 'Another provider', payTo: payee });
    await house.owner.query('UPDATE providers SET raise_first_payment = false');
    const key = { provider: id, name: 'gate', scopes: ['gate'], environment: 'test' } as const;
    const { text } = await new CreateKey(database, ids, clock, config.KEY_PEPPER).run(key);
    await sell(id, { 'api.calls': '0.004', 'compute.seconds': '0.0005', 'dear.calls': '1' });
    return text;
  };

  const sell = async (id: string, rates: Readonly<Record<string, string>>): Promise<void> => {
    const [api] = house.apis;
    if (!api) throw new Error('the house has an api');
    const { database, ids, clock } = api.rim;
    for (const [name, rate] of Object.entries(rates)) {
      const [aggregation, unit] =
        name === 'compute.seconds' ? (['sum', 'seconds'] as const) : (['count', 'calls'] as const);
      await new CreateMeter(database, ids, clock).run({ provider: id, name, aggregation, unit });
      await new CreatePrice(database, new Outbox(), clock, ids).run({
        ...{
          provider: id,
          meter: name,
          model: 'per_unit' as const,
          definition: { rate },
          release: 'authorized' as const,
        },
        asset: { id: erc20Asset(84532, USDC_ADDRESS), decimals: 6 },
      });
    }
  };

  const open = (shop: Asked['shop'], key: string): Promise<string> => {
    const wall = paywall({ gateUrl: house.url, key, publicUrl: PUBLIC_URL });
    const quantity = ({ headers }: { headers: Record<string, string | string[] | undefined> }) =>
      String(headers['x-quantity']);
    const prices = new Map(METERS.map((meter) => [meter, wall({ meter, quantity })]));
    return house.serve((request, response) => {
      const [meter, count] = [String(request.headers['x-meter']), String(request.headers['x-quantity'])];
      const price = prices.get(meter);
      if (!price) return void response.writeHead(404).end();
      return void price(request, response, () => {
        const body: Buffer[] = [];
        request.on('data', (chunk: Buffer) => body.push(chunk));
        request.on('end', () => {
          const asked = { shop, meter, quantity: count, method: request.method ?? '', path: request.url ?? '' };
          const words = wordsOf({ ...asked, body: Buffer.concat(body).toString() });
          granted.push(words);
          response.end(`answer to ${words}`);
        });
      });
    });
  };

  beforeAll(async () => {
    house = await House.build({ release: 'authorized' });
    await sell(house.provider, { 'dear.calls': '1' });
    Object.assign(payTo, { ours: house.payTo, twin: house.payTo, other: `0x${'7e'.repeat(20)}` });
    shops.ours = await open('ours', house.key);
    shops.twin = await open('twin', await provider(payTo.twin));
    shops.other = await open('other', await provider(payTo.other));
  });

  afterAll(async () => {
    connections.destroy();
    await house.close();
  });

  const offerOf = async (asked: Asked): Promise<PaymentRequirements> => {
    const { headers } = await raw(asked, shops[asked.shop]);
    const required = decodePaymentRequired(String(headers['payment-required']));
    const offer = required.ok ? required.payload.accepts.find(({ scheme }) => scheme === 'exact') : undefined;
    if (!offer) throw new Error('no offer');
    return offer;
  };

  const randomThing = (dice: Dice, index: number): Asked => {
    const [meter, quantity] = dice.of([
      ['api.calls', '1'],
      ['compute.seconds', '2.5'],
    ] as const);
    const method = dice.of(['GET', 'POST', 'PUT']);
    const body = method === 'GET' ? undefined : `{"job":${index}}`;
    return { shop: 'ours', method, path: `/things/${index}?q=${dice.below(1000)}`, body, meter, quantity };
  };

  const signatureBy = (
    payer: Payer,
    { signature: _, ...message }: ExactAuthorization,
    chainId: number,
    token: string,
  ) =>
    payer.account.signTypedData({
      domain: { name: 'USDC', version: '2', chainId, verifyingContract: `0x${token.slice(2)}` },
      types: TRANSFER_TYPES,
      primaryType: 'TransferWithAuthorization',
      message,
    });

  /** A cheap thing, paid for and not presented yet. */
  const bought = async (dice: Dice, index: number, payer: Payer, path?: string) => {
    const asked = { ...randomThing(dice, index), ...(path === undefined ? {} : { path }) };
    const offer = await offerOf(asked);
    const authorization = await payer.accept(offer, Math.floor(Date.now() / 1000));
    const payload = exactPayloadOf(authorization);
    const version = dice.chance(0.7) ? 2 : 1;
    const payment =
      version === 2
        ? { x402Version: 2, accepted: offer, payload }
        : { x402Version: 1, scheme: 'exact', network: 'base-sepolia', payload };
    const genuine: Attempt = {
      ...{ asked, version, payment, changes: [] },
      write: (json) => JSON.stringify(json),
      spell: (text) => Buffer.from(text).toString('base64'),
    };
    const loot: Loot = {
      dearOffer: { ...(await offerOf({ ...asked, meter: 'dear.calls' })) },
      foreignOffer: { ...(await offerOf({ ...asked, shop: dice.of(['twin', 'other']) })) },
      otherChain: await signatureBy(payer, authorization, 8453, USDC_ADDRESS),
      otherToken: await signatureBy(payer, authorization, 84532, '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913'),
      stranger: await signatureBy(new Payer(), authorization, 84532, USDC_ADDRESS),
    };
    return { genuine, loot, offer, authorization };
  };

  const present = (attempt: Attempt): Promise<RawAnswer> =>
    raw(attempt.asked, shops[attempt.asked.shop], headerOf(attempt));

  /** What was answered otherwise than with a clear no. */
  const wrong: string[] = [];
  const refused = async (attempt: Attempt): Promise<void> => {
    const { status, text } = await present(attempt);
    if (![400, 402, 409].includes(status))
      wrong.push(`${status} to ${attempt.changes.join(' + ')} (version ${attempt.version}): ${text.slice(0, 200)}`);
  };

  /** The facilitator's door takes the terms from its caller: here the caller lies about them, or about the payment. */
  const settleRefused = async (genuine: Attempt, offer: PaymentRequirements, dice: Dice, loot: Loot): Promise<void> => {
    const tampered = dice.chance(0.5)
      ? apply(SIGNED, genuine, dice, loot)
      : apply(
          Object.fromEntries(Object.entries(TERMS).filter(([name]) => SETTLED_TERMS.includes(name))),
          genuine,
          dice,
          loot,
        );
    let terms: unknown;
    const honest = changed(tampered.payment, ['accepted'], (lie) => {
      terms = lie;
      return offer;
    });
    const body = JSON.stringify({ x402Version: 2, paymentPayload: honest, paymentRequirements: terms });
    const response = await fetch(`${house.url}/x402/settle`, {
      ...{ method: 'POST', body },
      headers: { 'content-type': 'application/json' },
    });
    const answer = await response.text();
    if (response.status !== 200 || !answer.startsWith('{"success":false'))
      wrong.push(`${response.status} of settle to ${tampered.changes.join(' + ')}: ${answer}`);
  };

  it(
    `gets nothing in ${SUBSTITUTIONS} tries, and still works once for what it was signed for`,
    async () => {
      const dice = new Dice(SEED);
      const payers = await Promise.all(
        Array.from({ length: 4 }, async () => {
          const payer = new Payer();
          await house.usdc.mint(payer.address, 1_000_000_000n);
          return payer;
        }),
      );
      const tried = { before: 0, after: 0, disguised: 0, settle: 0 };
      const payments = Math.ceil(SUBSTITUTIONS / EACH);
      let owed = 0n;
      for (let i = 0; i < payments; i += 1) {
        granted = [];
        const payer = payers[i % payers.length];
        if (!payer) throw new Error('there are payers');
        const { genuine, loot, offer, authorization } = await bought(dice, i, payer);
        owed += authorization.value;
        const all = Array.from({ length: EACH - (genuine.version === 2 ? 4 : 0) }, () =>
          substitute(genuine, dice, loot),
        );
        const first = all.filter((attempt, n) => n % 2 === 0 && !fitsBoth(genuine, attempt));
        const rest = all.filter((attempt) => !first.includes(attempt));

        await each(first, refused);
        if (genuine.version === 2) {
          for (let n = 0; n < 4; n += 1) await settleRefused(genuine, offer, dice, loot);
          tried.settle += 4;
        }
        expect([granted, wrong]).toEqual([[], []]);
        expect((await house.owner.query('SELECT 1 FROM payments')).rowCount).toBe(i);

        const words = wordsOf(genuine.asked);
        expect(await present(genuine)).toMatchObject({ status: 200, text: `answer to ${words}` });

        const disguised = Array.from({ length: 6 }, () => disguise(genuine, dice, loot));
        await Promise.all([
          each(rest, refused),
          each(disguised, async (attempt) => {
            const { status, text } = await present(attempt);
            if (status !== 200 || text !== `answer to ${words}`)
              wrong.push(`${status} to ${attempt.changes.join(' + ')}: ${text}`);
          }),
        ]);
        expect([granted, wrong]).toEqual([[words], []]);
        tried.before += first.length;
        tried.after += rest.length;
        tried.disguised += disguised.length;
      }
      console.info(`substitutions tried: ${JSON.stringify(tried)}, with ${payments} payments; seed ${SEED}`);
      await house.startWorker();
      await house.untilAll('settled', 120_000);
      const { rows } = await house.owner.query<{ n: number; charged: string; providers: string[] }>(
        'SELECT count(*)::int AS n, sum(charged)::text AS charged, array_agg(DISTINCT provider_id) AS providers FROM payments',
      );
      expect(rows).toEqual([{ n: payments, charged: owed.toString(), providers: [house.provider] }]);
      expect(await house.usdc.balance(house.payTo)).toBe(owed);
      const findings = await verifyBooks(house.db.auditUrl, railOf(house.config));
      expect(findings.flatMap(({ faults }) => faults)).toEqual([]);
    },
    120_000 + SUBSTITUTIONS * 60,
  );

  // Fails as long as the gate binds a payment to the normalized URL: the seller's router sees the path as it was sent.
  it('is for the path as it was sent, not for what its dot segments come to', async () => {
    granted = [];
    const payer = new Payer();
    await house.usdc.mint(payer.address, 1_000_000n);
    const { genuine } = await bought(new Dice(SEED), 0, payer, '/things/0');
    const answer = await present({ ...genuine, asked: { ...genuine.asked, path: '/secret/%2e%2e/things/0' } });
    expect([answer.status, granted]).toEqual([402, []]);
  });
});
