import { USD } from '@core/money';
import { instant } from '@core/time';
import { readTerms } from './price-model.js';
import { type PriceVersion, priceInForce } from './price-version.js';

const version = (rate: string, effectiveAt: number, id: string): PriceVersion => {
  const terms = readTerms('per_unit', { rate });
  if ('problem' in terms) throw new Error(terms.problem);
  return { id, meter: 'mtr_1', terms, asset: USD.id, assetDecimals: USD.decimals, effectiveAt: instant(effectiveAt) };
};

describe('price versions', () => {
  const versions = [version('2', 20, 'prc_2'), version('1', 10, 'prc_1'), version('3', 30, 'prc_3')];

  it('are in force from their instant until the next', () => {
    expect([9, 10, 19, 20, 30, 99].map((ms) => priceInForce(versions, instant(ms))?.id)).toEqual([
      undefined,
      'prc_1',
      'prc_1',
      'prc_2',
      'prc_3',
      'prc_3',
    ]);
  });
});
