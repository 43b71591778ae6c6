import { currency, decimal, divideDecimals, formatDecimal, parseDecimal, type Rounding, USD } from './index.js';

describe('currencies', () => {
  it.each([
    ['USD', 2],
    ['EUR', 2],
    ['JPY', 0],
    ['KWD', 3],
    ['CLF', 4],
    ['UYW', 4],
    ['UGX', 0],
    ['XPF', 0],
    ['TND', 3],
    ['ZWG', 2],
  ])('%s has %i places', (code, decimals) => {
    expect(currency(code)).toEqual({ id: `iso4217:${code}`, symbol: code, decimals });
  });

  it('are those of the standard, in capitals, without metals, funds of units of account and test codes', () => {
    expect(currency('USD')).toEqual(USD);
    for (const code of ['usd', 'XAU', 'XXX', 'XTS', 'XDR', 'BTC', 'USDC', 'DEM', '', 'CLP DJF'])
      expect(currency(code)).toBeUndefined();
  });
});

describe('division', () => {
  // billing reference, 4.3 and 5.6
  it.each<[string, string, number, Rounding, string]>([
    ['833', '30', 2, 'half-up', '27.77'],
    ['250', '28', 2, 'half-up', '8.93'],
    ['100', '1.2', 2, 'half-up', '83.33'],
    ['1', '3', 4, 'up', '0.3334'],
    ['-1', '3', 4, 'up', '-0.3334'],
    ['1', '-3', 4, 'down', '-0.3333'],
    ['0.25', '0.1', 0, 'half-even', '2'],
    ['-3.5', '-1', 0, 'half-even', '4'],
    ['0', '7', 0, 'up', '0'],
    ['0.001', '1000', 40, 'down', '0.000001'],
  ])('%s / %s to %i places, %s: %s', (over, under, places, rounding, expected) => {
    const read = (text: string) => parseDecimal(text) ?? decimal(0n);
    expect(formatDecimal(divideDecimals(read(over), read(under), places, rounding))).toBe(expected);
  });

  it('has no answer for a divisor of zero or negative places', () => {
    expect(() => divideDecimals(decimal(1n), decimal(0n), 2, 'up')).toThrow('divisor other than zero');
    expect(() => divideDecimals(decimal(1n), decimal(1n), -1, 'up')).toThrow('count of decimal places');
  });
});
