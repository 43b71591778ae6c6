import fc from 'fast-check';
import { USD, decimal } from '@core/money';
import { type RatedUsage, addUsage, rate, ratePart, readTerms } from './index.js';

const tenths = (value: number) => decimal(BigInt(value), 1);
const priced = (model: string, definition: unknown) => {
  const terms = readTerms(model, definition);
  if ('problem' in terms) throw new Error(terms.problem);
  return { terms, asset: USD.id, assetDecimals: 4 };
};

describe('usage of two spans', () => {
  it('is added part by part; what only one carries is kept', () => {
    const a: RatedUsage = {
      quantity: tenths(10),
      cost: tenths(5),
      values: [{ value: tenths(10), count: 1n }],
      groups: [
        { dimensions: { region: 'eu', host: 'a' }, quantity: tenths(4) },
        { dimensions: {}, quantity: tenths(6) },
      ],
    };
    const b: RatedUsage = {
      quantity: tenths(7),
      cost: tenths(1),
      values: [{ value: tenths(7), count: 2n }],
      groups: [{ dimensions: { host: 'a', region: 'eu' }, quantity: tenths(7) }],
      buckets: { night: tenths(7) },
    };
    expect(addUsage(a, b)).toEqual({
      quantity: tenths(17),
      cost: tenths(6),
      values: [
        { value: tenths(10), count: 1n },
        { value: tenths(7), count: 2n },
      ],
      groups: [
        { dimensions: { host: 'a', region: 'eu' }, quantity: tenths(11) },
        { dimensions: {}, quantity: tenths(6) },
      ],
      buckets: { night: tenths(7) },
    });
    expect(addUsage(b, b).buckets).toEqual({ night: tenths(14) });
  });

  it('bills in parts to the same, group by group and bucket by bucket', () => {
    const bucket = { name: 'night', from: '22:00', to: '06:00', rate: '0.3' };
    const tiers = [{ upTo: '3', rate: '1', flat: '2' }, { rate: '0.25' }];
    const prices = [
      priced('graduated', { tiers, per: 'group', groupBy: ['region'] }),
      priced('matrix', { dimensions: ['region'], rates: [{ match: { region: 'eu' }, rate: '1' }], default: '3' }),
      priced('time_of_day', { zone: 'UTC', buckets: [bucket], default: '0.7' }),
      priced('dynamic', { multiplier: '1.5' }),
    ];
    const usage = fc.tuple(fc.nat(50), fc.nat(50)).map(([eu, us]): RatedUsage => ({
      quantity: tenths(eu + us),
      cost: tenths(eu),
      groups: [
        { dimensions: { region: 'eu' }, quantity: tenths(eu) },
        { dimensions: { region: 'us' }, quantity: tenths(us) },
      ],
      buckets: { night: tenths(eu), default: tenths(us) },
    }));
    fc.assert(
      fc.property(fc.constantFrom(...prices), fc.array(usage, { minLength: 1, maxLength: 5 }), (price, parts) => {
        let before: RatedUsage | undefined;
        let total = 0n;
        for (const part of parts) {
          total += ratePart(price, before, part).atomic;
          before = before ? addUsage(before, part) : part;
        }
        expect(total).toBe(rate(price, parts.reduce(addUsage)).atomic);
      }),
    );
  });
});
