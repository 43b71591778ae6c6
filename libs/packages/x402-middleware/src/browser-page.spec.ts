import { BareShop, hello } from '../test/bare-shop.js';

let shop: BareShop;

const USDC = '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913';
const offer = { scheme: 'exact', network: 'eip155:8453', amount: '2500', asset: USDC, payTo: `0x${'11'.repeat(20)}` };
const resource = { url: 'https://api.example/search?q=a&b="c"', description: 'A <b>search</b> & more' };

beforeEach(async () => {
  shop = await BareShop.open();
  shop.gate.challenge = { x402Version: 2, resource, accepts: [offer] };
});
afterEach(() => shop.close());

const BROWSER = {
  accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) Chrome/143.0 Safari/537.36',
};

async function pageWith(...accepts: object[]): Promise<string> {
  shop.gate.challenge = { x402Version: 2, resource, accepts };
  return (await fetch(await shop.sell(hello), { headers: BROWSER })).text();
}

describe('a browser without payment', () => {
  it('gets a page that says what is sold, what it costs and how to pay, beside the same challenge', async () => {
    const url = await shop.sell(hello);
    const plain = await fetch(`${url}/find`);
    const answer = await fetch(`${url}/find?q=<a>&b=c`, { headers: BROWSER });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([402, 'text/html; charset=utf-8']);
    expect(answer.headers.get('payment-required')).toBe(plain.headers.get('payment-required'));
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
    const page = await answer.text();
    expect(page).toContain('<h1>A &lt;b&gt;search&lt;/b&gt; &amp; more</h1>');
    expect(page).toContain(`${url}/find?q=%3Ca%3E&amp;b=c`);
    expect(page).toContain('0.0025 USDC');
    expect(page).toContain('<dd>Base</dd>');
    for (const word of ['PAYMENT-REQUIRED', 'PAYMENT-SIGNATURE', 'PAYMENT-RESPONSE', '@x402/fetch'])
      expect(page).toContain(word);
    expect(shop.runs).toBe(0);
  });

  it('gets a page that loads and runs nothing, and holds what the challenge says as text', async () => {
    const nasty = `"><script>alert('1')</script>`;
    const page = await pageWith({
      ...offer,
      scheme: nasty,
      network: nasty,
      payTo: nasty,
      asset: nasty,
      extra: { name: nasty },
    });
    expect(page).not.toMatch(/<script|<img|<link|<iframe|\b(?:src|href|action)=|url\(|@import/);
    expect(page.match(/alert\(&#39;1&#39;\)/g)?.length).toBeGreaterThanOrEqual(4);
  });

  it.each<[string, object, string]>([
    ['known coins', { amount: '1000000' }, '1.00 USDC'],
    ['known coins, however small', { amount: '1' }, '0.000001 USDC'],
    [
      'decimals the offer names',
      { asset: '0xabc', amount: '123456', extra: { name: 'Mark', decimals: 2 } },
      '1234.56 Mark',
    ],
    ['whole units', { asset: '0xabc', amount: '12', extra: { name: 'Stamp', decimals: 0 } }, '12 Stamp'],
    ['nothing that is known', { asset: '0xabc', amount: '123456' }, '123456 smallest units of 0xabc'],
    ['the same address elsewhere', { network: 'eip155:5', amount: '7' }, `7 smallest units of ${USDC}`],
    [
      'a balance',
      { scheme: 'prepaid', network: 'farebox:prepaid', asset: 'usd', amount: '5', extra: { name: 'USD', decimals: 3 } },
      '0.005 USD',
    ],
  ])('reads the price in units of %s', async (_, terms, price) => {
    expect(await pageWith({ ...offer, ...terms })).toContain(`<p class="price">${price}</p>`);
  });

  it('gets the plain challenge where the provider wants no page, or nothing readable is offered', async () => {
    const off = await fetch(await shop.sell(hello, {}, { browserPage: false }), { headers: BROWSER });
    expect(await off.text()).toBe('{}');
    shop.gate.challenge = { meter: 'api_calls' };
    expect(await (await fetch(await shop.sell(hello), { headers: BROWSER })).text()).toBe('{}');
  });

  it.each([
    ['a script of a page', { ...BROWSER, accept: '*/*' }],
    ['a program', { ...BROWSER, 'user-agent': 'curl/8.0' }],
  ])('is not %s', async (_, headers) => {
    expect(await (await fetch(await shop.sell(hello), { headers })).text()).toBe('{}');
  });

  it('does not change what others get from memory', async () => {
    shop.gate.cacheSeconds = '30';
    const url = await shop.sell(hello);
    for (const [headers, type] of [
      [BROWSER, 'text/html; charset=utf-8'],
      [{}, null],
      [BROWSER, 'text/html; charset=utf-8'],
    ] as const)
      expect((await fetch(url, { headers })).headers.get('content-type')).toBe(type);
    expect(shop.gate.checks).toHaveLength(1);
  });
});
