import fc from 'fast-check';
import type { PaymentAsset } from '@core/payments';
import { PriceBookCache } from '@features/pricing';
import { money, RatingScene, type TestPrice, USDC } from '../../../../../test/support/rating-scene.js';
import { USDC as PAYABLE } from '../../../../../test/support/paid-path.js';
import { Payees } from './payees.js';
import { PriceRequest, readQuotedRequest } from './price-request.js';

const asset: PaymentAsset = { ...PAYABLE, id: USDC.id };
let scene: RatingScene;
let requests: PriceRequest;
let serial = 0;

beforeAll(async () => {
  scene = await RatingScene.open();
});
beforeEach(async () => {
  await scene.begin();
  const book = new PriceBookCache(scene.database, scene.clock);
  requests = new PriceRequest(book, new Payees(scene.writer, scene.clock), () => [asset], scene.clock, 300);
});
afterAll(() => scene.end());

const quote = (meter: string, quantity: string) =>
  requests.run(scene.provider, readQuotedRequest({ method: 'GET', url: 'https://api.example/thing', meter, quantity }));
const tiers = [{ upTo: '3', rate: '0.0000015', flat: '0.01' }, { rate: '0.00000033' }];

const QUOTED: readonly (readonly [string, TestPrice])[] = [
  ['per_unit', { definition: { rate: '0.0000037' } }],
  ['package', { model: 'package', definition: { size: '2', amount: '0.0000007' } }],
  ['graduated', { model: 'graduated', definition: { tiers } }],
  ['percentage', { model: 'percentage', definition: { rate: '0.0299', minPerEvent: '0.0000017' } }],
  ['discounted', { definition: { rate: '0.0000037' }, modifiers: { discount: '0.3', rounding: 'up' } }],
];

describe('a quote for a request is the charge for the same usage', () => {
  it.each(QUOTED)('to the unit, at a %s price', async (_, price) => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 40_000 }), async (thousandths) => {
        serial += 1;
        const [name, quantity] = [`m${serial}`, (thousandths / 1000).toString()];
        await scene.meter(name, 'sum', { itemized: price.model === 'percentage' });
        await scene.price(name, price, '2026-11-01T00:00:00Z');
        const before = await scene.owed();
        const { amount } = await quote(name, quantity);
        await scene.use(name, '2026-11-20T00:00:00Z', { value: quantity });
        await scene.settle();
        expect((await scene.owed()) - before).toBe(amount);
      }),
      { numRuns: 6 },
    );
  });
});

const REFUSED: readonly (readonly [string, TestPrice, string, RegExp])[] = [
  ['a flat price', { model: 'flat', definition: { amount: '1' } }, 'price_not_per_request', /whole period/],
  [
    'a volume price',
    { model: 'volume', definition: { tiers: [{ upTo: '5', rate: '1' }, { rate: '0.5' }] } },
    'price_not_per_request',
    /cannot be quoted/,
  ],
  ['a minimum', { definition: { rate: '1' }, modifiers: { minimum: '5' } }, 'price_not_per_request', /minimum/],
  [
    'a carried fraction',
    { definition: { rate: '1' }, modifiers: { fraction: 'carry' } },
    'price_not_per_request',
    /fraction/,
  ],
  ['a currency', { definition: { rate: '1' }, asset: money('EUR') }, 'asset_not_payable', /billed on a statement/],
  ['nothing', { definition: { rate: '0' } }, 'price_is_zero', /costs nothing/],
];

describe('what cannot be sold by the request is refused, and not given away', () => {
  it.each(REFUSED)('%s', async (_, price, reason, why) => {
    await scene.meter('thing', 'sum');
    await scene.price('thing', price);
    const asked = quote('thing', '1');
    await expect(asked).rejects.toMatchObject({ code: 'unprocessable', reason });
    await expect(asked).rejects.toThrow(why);
  });

  it('nor is a price of a plan or of an account: who pays is not known yet', async () => {
    await scene.meter('thing', 'sum');
    await scene.override('thing', { definition: { rate: '1' } });
    await expect(quote('thing', '1')).rejects.toMatchObject({ reason: 'no_price' });
  });
});
