import { PLAIN_PERIOD, type PeriodTerms, readPeriodTerms, readTerms } from './index.js';

const read = (definition: unknown): PeriodTerms => {
  const terms = readPeriodTerms(definition);
  if ('problem' in terms) throw new Error(terms.problem);
  return terms;
};

describe('the modifiers of a period', () => {
  it('are plain when nothing is said', () => {
    expect(read(undefined)).toEqual(PLAIN_PERIOD);
    expect(read(null)).toEqual(PLAIN_PERIOD);
    expect(read({})).toEqual(PLAIN_PERIOD);
    expect(read({ rounding: 'half-up', versionChange: 'restart', fraction: 'line', billing: 'continuous' })).toEqual(
      PLAIN_PERIOD,
    );
  });

  it('are stored in a form that reads as itself, keys in any order', () => {
    const given = {
      usageDiscount: '5',
      discount: '0.25',
      maximum: '100',
      minimum: '10',
      proration: { by: 'day', of: ['flat', 'minimum', 'allowances'] },
      versionChange: 'continue',
      rounding: 'half-even',
      billing: 'at_end',
    };
    expect(read(given).definition).toEqual(given);
    const reversed = Object.fromEntries(Object.entries(given).reverse());
    expect(JSON.stringify(read(reversed).definition)).toBe(JSON.stringify(read(given).definition));
    expect(read(read(given).definition)).toEqual(read(given));
    const committed = { commitment: { amount: '10', overageFactor: '1.50', trueUp: true }, fraction: 'carry' };
    expect(read(committed).definition).toEqual({
      ...committed,
      commitment: { ...committed.commitment, overageFactor: '1.5' },
    });
    expect(read({ commitment: { amount: '10', overageFactor: '1', trueUp: false } }).definition).toEqual({
      commitment: { amount: '10' },
    });
    expect(read({ proration: { by: 'second', of: ['minimum', 'flat'] } }).proration?.of).toEqual(['flat', 'minimum']);
  });

  it.each<[unknown, string]>([
    [{ cap: '1' }, 'The period of a price has no "cap"; it has "usageDiscount", "discount"'],
    ['10 %', 'The period of a price is an object'],
    [{ discount: '20' }, '"discount" is a fraction of one: write 20 percent as "0.2"'],
    [{ minimum: '-1' }, '"minimum" must be a plain decimal string'],
    [{ minimum: '10', maximum: '9.99' }, 'The minimum 10 is above the maximum 9.99.'],
    [{ commitment: {} }, 'A commitment needs "amount"'],
    [{ commitment: { amount: '0' } }, 'A commitment: "amount" must be above zero.'],
    [{ commitment: { amount: '1', trueUp: 'yes' } }, '"trueUp" must be true or false'],
    [{ commitment: { amount: '1', factor: '2' } }, 'A commitment has no "factor"'],
    [{ commitment: { amount: '1' }, minimum: '1' }, 'a commitment or a minimum and maximum, not both'],
    [{ commitment: { amount: '1' }, maximum: '1' }, 'a commitment or a minimum and maximum, not both'],
    [{ proration: { by: 'week', of: ['flat'] } }, '"by" must be one of "second", "day"'],
    [{ proration: { by: 'day' } }, '"of" must be a list of 1 to 5 things to prorate'],
    [{ proration: { by: 'day', of: ['tiers'] } }, '"of" lists some of "flat", "minimum"'],
    [{ proration: { by: 'day', of: ['flat', 'flat'] } }, 'none twice'],
    [{ rounding: 'down' }, '"rounding" must be one of "half-up", "half-even", "up"'],
    [{ versionChange: 'split' }, '"versionChange" must be one of "restart", "continue"'],
    [{ fraction: 'carry', rounding: 'up' }, 'leave "rounding" out'],
  ])('%j are refused with a sentence', (definition, sentence) => {
    expect(readPeriodTerms(definition)).toEqual({ problem: expect.stringContaining(sentence) });
  });

  it('have to fit the model: units come off one quantity', () => {
    const fits = (model: string, definition: unknown) => {
      const terms = readTerms(model, definition);
      if ('problem' in terms) throw new Error(terms.problem);
      return readPeriodTerms({ usageDiscount: '5' }, terms);
    };
    expect(fits('volume', { tiers: [{ rate: '1' }] })).toMatchObject({ usageDiscount: { units: 5n } });
    for (const [model, definition] of [
      ['flat', { amount: '1' }],
      ['dynamic', {}],
      ['percentage', { rate: '1', fee: '1' }],
      ['matrix', { dimensions: ['a'], rates: [{ match: { a: 'b' }, rate: '1' }] }],
    ] as const) {
      expect(fits(model, definition)).toEqual({ problem: expect.stringContaining(`this ${model} price`) });
    }
  });
});
