import { BareShop, hello } from '../test/bare-shop.js';

let shop: BareShop;

beforeEach(async () => {
  shop = await BareShop.open();
});
afterEach(() => shop.close());

const KEY = `Bearer fbx_live_${'ab'.repeat(16)}_${'s'.repeat(43)}`;
const get = async (url: string, headers: Record<string, string>): Promise<number> =>
  (await fetch(url, { headers })).status;

describe('who asks', () => {
  it('is told to the gate by an agent key, which may pay without a signature', async () => {
    const url = await shop.sell(hello);
    expect(await get(url, { authorization: KEY })).toBe(200);
    expect(shop.gate.checks[0]?.proof).toEqual({ authorization: KEY });
    expect(shop.gate.checks[0]?.attempt).toMatch(/^[\w-]{16,64}$/);
    expect(shop.gate.captures).toHaveLength(1);
  });

  it.each(['Bearer eyJhbGciOi', 'Basic dXNlcjpwYXNz', 'fbx_live_no_scheme_at_all', `${KEY} and more`])(
    'is not what the provider’s own users send: %s',
    async (authorization) => {
      const url = await shop.sell(hello);
      await get(url, { authorization });
      expect(shop.gate.checks[0]?.proof).toBeUndefined();
    },
  );

  it('is told by SIGN-IN-WITH-X', async () => {
    await get(await shop.sell(hello), { 'sign-in-with-x': 'e30=' });
    expect(shop.gate.checks[0]?.proof).toEqual({ signInWithX: 'e30=' });
  });

  it('is told by message signatures, with the other headers that they cover', async () => {
    const covered = Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`x-${n}`, `value ${n}`]));
    const names = Object.keys(covered).map((name) => `"${name}"`);
    const signatureInput = `sig=("@authority" "signature-agent" "Cookie" "authorization" ${names.join(' ')};sf "x-absent");tag="web-bot-auth"`;
    await get(await shop.sell(hello), {
      signature: 'sig=:AAAA:',
      'signature-input': signatureInput,
      'signature-agent': '"https://agent.example"',
      cookie: 'session=secret',
      authorization: 'Bearer of-the-provider',
      ...covered,
    });
    const [proof] = shop.gate.checks.map((check) => check.proof);
    const { 'x-8': _8, 'x-9': _9, ...first } = covered;
    expect(proof).toEqual({
      signature: 'sig=:AAAA:',
      signatureInput,
      signatureAgent: '"https://agent.example"',
      covered: first,
    });
    expect(JSON.stringify(proof)).not.toContain('of-the-provider');
  });

  it('is not told by half a signature', async () => {
    const url = await shop.sell(hello);
    await get(url, { 'signature-input': 'sig=("x-a")', 'x-a': '1' });
    await get(url, { signature: 'sig=:AAAA:', 'signature-agent': '"https://agent.example"' });
    expect(shop.gate.checks.map(({ proof }) => proof)).toEqual([undefined, undefined]);
  });

  it('is never answered from the challenges that are kept', async () => {
    shop.gate.cacheSeconds = '30';
    const url = await shop.sell(hello);
    await get(url, {});
    await get(url, {});
    expect(shop.gate.checks).toHaveLength(1);
    await get(url, { 'sign-in-with-x': 'e30=' });
    await get(url, { 'idempotency-key': 'mine' });
    await get(url, { 'sign-in-with-x': 'e30=' });
    expect(shop.gate.checks).toHaveLength(4);
    await get(url, {});
    expect(shop.gate.checks).toHaveLength(4);
  });

  it('is nobody’s business when the provider says so', async () => {
    const url = await shop.sell(hello, {}, { agents: false });
    expect(await get(url, { authorization: KEY, 'idempotency-key': 'with spaces in it' })).toBe(402);
    expect(shop.gate.checks[0]).toEqual({ method: 'GET', url: `${url}/`, meter: 'api_calls' });
  });
});

describe('an idempotency key', () => {
  it('goes to the gate with the payment', async () => {
    const url = await shop.sell(hello);
    expect(await get(url, { 'PAYMENT-SIGNATURE': 'ok-1', 'idempotency-key': 'order-7' })).toBe(200);
    expect(shop.gate.checks[0]).toMatchObject({ idempotencyKey: 'order-7', paymentSignature: 'ok-1' });
  });

  it.each(['with spaces', 'x'.repeat(129)])('that none can be is refused before anything is asked: %s', async (key) => {
    const url = await shop.sell(hello);
    expect(await get(url, { 'PAYMENT-SIGNATURE': 'ok-1', 'idempotency-key': key })).toBe(400);
    expect(shop.gate.questions).toEqual([]);
  });
});
