import fc from 'fast-check';
import { instant } from '@core/time';
import { readPlan, resolveParts, resolvePrice } from './index.js';

const perUnit = (meter: string) => ({ meter, model: 'per_unit', definition: { rate: '1' } });

describe('a plan', () => {
  it('bundles a price for each of its meters and flat amounts by name', () => {
    const definition = {
      items: [
        { ...perUnit('api.calls'), modifiers: { minimum: '10' } },
        { name: 'Support', model: 'flat', definition: { amount: '49' } },
      ],
    };
    const plan = readPlan(definition);
    if ('problem' in plan) throw new Error(plan.problem);
    expect(plan.definition).toEqual(definition);
    expect(plan.items.map(({ meter, name, terms }) => [meter, name, terms.model])).toEqual([
      ['api.calls', undefined, 'per_unit'],
      [undefined, 'Support', 'flat'],
    ]);
    expect(plan.items[0]?.modifiers.minimum).toEqual({ units: 10n, scale: 0 });
  });

  it.each<[unknown, string]>([
    [{}, 'A plan: "items" must be a list of 1 to 500 items.'],
    [{ items: [], name: 'x' }, 'A plan has no "name"; it has "items".'],
    [{ items: [perUnit('a'), perUnit('b'), perUnit('a')] }, 'Items 1 and 3 both have a price for meter "a"'],
    [
      { items: [1, 2].map(() => ({ name: 'Base', model: 'flat', definition: { amount: '1' } })) },
      'Items 1 and 2 both have the name "Base"',
    ],
    [{ items: [perUnit('a'), { ...perUnit('b'), definition: {} }] }, 'Item 2: A per_unit price needs "rate"'],
    [
      { items: [{ ...perUnit('a'), modifiers: { discount: '2' } }] },
      'Item 1: The period of a price: "discount" is a fraction',
    ],
    [{ items: [{ ...perUnit('a'), name: 'A' }] }, 'Item 1 has a "meter" or, when it is flat, a "name"; not both.'],
    [
      { items: [{ name: 'A', model: 'per_unit', definition: { rate: '1' } }] },
      'Item 1 has no meter, so its model is flat',
    ],
    [{ items: [{ model: 'flat', definition: { amount: '1' } }] }, 'Item 1: "name" must be what the statement calls'],
    [{ items: [{ ...perUnit('a'), model: 'tiered' }] }, 'Item 1: There is no price model "tiered"'],
    [{ items: ['a'] }, 'Item 1 is an object'],
  ])('%j is refused with a sentence', (definition, sentence) => {
    expect(readPlan(definition)).toEqual({ problem: expect.stringContaining(sentence) });
  });
});

describe('the price of a meter for an account', () => {
  const offer = (id: string, effectiveAt: number, until?: number, meter = 'mtr_1') => ({
    id,
    meter,
    effectiveAt: instant(effectiveAt),
    until: until === undefined ? undefined : instant(until),
  });
  const sources = {
    overrides: [offer('override', 40, 50)],
    planItems: [offer('small', 20, 30), offer('large', 30, 60)],
    defaults: [offer('second', 45), offer('first', 10), offer('other', 0, undefined, 'mtr_2')],
  };

  it('is its override, else its plan’s, else the provider’s', () => {
    const named = (ms: number) => {
      const found = resolvePrice('mtr_1', sources, instant(ms));
      return found && `${found.source} ${found.price.id}`;
    };
    expect([9, 10, 20, 30, 40, 49, 50, 59, 60].map(named)).toEqual([
      undefined,
      'default first',
      'plan small',
      'plan large',
      'override override',
      'override override',
      'plan large',
      'plan large',
      'default second',
    ]);
  });

  it('cuts a period where another takes over, and only there', () => {
    const cut = resolveParts('mtr_1', sources, { start: instant(5), end: instant(70) });
    expect(cut.map(({ price, period }) => `${price.id} ${period.start}-${period.end}`)).toEqual([
      'first 10-20',
      'small 20-30',
      'large 30-40',
      'override 40-50',
      'large 50-60',
      'second 60-70',
    ]);
    expect(resolveParts('mtr_3', sources, { start: instant(5), end: instant(70) })).toEqual([]);
  });

  it('is the one of every instant of the parts', () => {
    const offers = fc
      .array(fc.tuple(fc.nat(40), fc.option(fc.nat(40), { nil: undefined })), { maxLength: 4 })
      .map((all) =>
        all.map(([from, length], i) => offer(`${i}`, from, length === undefined ? undefined : from + length)),
      );
    fc.assert(
      fc.property(offers, offers, offers, (overrides, planItems, defaults) => {
        const some = { overrides, planItems, defaults };
        const cut = resolveParts('mtr_1', some, { start: instant(0), end: instant(50) });
        for (let ms = 0; ms < 50; ms += 1) {
          const holding = cut.filter(({ period }) => period.start <= ms && ms < period.end);
          const found = resolvePrice('mtr_1', some, instant(ms));
          expect(holding.map(({ price }) => price)).toEqual(found ? [found.price] : []);
        }
      }),
    );
  });
});
