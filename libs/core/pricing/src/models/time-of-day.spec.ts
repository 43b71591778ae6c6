import fc from 'fast-check';
import { formatDecimal, parseDecimal, ZERO } from '@core/money';
import { formatInstant, instant, parseInstant, type Instant } from '@core/time';
import { type PriceTerms, readTerms } from '../index.js';

const at = (text: string): Instant => parseInstant(text) ?? instant(NaN);
const terms = (zone: string, buckets: unknown): PriceTerms => {
  const read = readTerms('time_of_day', { zone, buckets, default: '1' });
  if ('problem' in read) throw new Error(read.problem);
  return read;
};
const spans = (price: PriceTerms, start: string, end: string): string[] =>
  (price.clock?.bucketsOf({ start: at(start), end: at(end) }) ?? []).map(
    ({ bucket, period }) =>
      `${bucket} ${formatInstant(period.start).slice(5, 16)} ${formatInstant(period.end).slice(5, 16)}`,
  );
const peak = { name: 'peak', from: '08:00', to: '20:00', days: [1, 2, 3, 4, 5], rate: '2' };
const night = { name: 'night', from: '22:00', to: '06:00', rate: '0.5' };

describe('a time-of-day table', () => {
  it('cuts a period where another bucket begins, on the days of the bucket', () => {
    // Friday 20 November 2026 to Monday.
    expect(spans(terms('UTC', [peak]), '2026-11-20T00:00:00Z', '2026-11-23T09:00:00Z')).toEqual([
      'default 11-20T00:00 11-20T08:00',
      'peak 11-20T08:00 11-20T20:00',
      'default 11-20T20:00 11-23T08:00',
      'peak 11-23T08:00 11-23T09:00',
    ]);
  });

  it('goes on past midnight, and past the end of the week', () => {
    expect(spans(terms('UTC', [night]), '2026-11-22T21:00:00Z', '2026-11-23T07:00:00Z')).toEqual([
      'default 11-22T21:00 11-22T22:00',
      'night 11-22T22:00 11-23T06:00',
      'default 11-23T06:00 11-23T07:00',
    ]);
  });

  it('is of the wall clock: a night is an hour shorter in spring and longer in autumn', () => {
    const berlin = terms('Europe/Berlin', [night]);
    expect(spans(berlin, '2026-03-28T12:00:00Z', '2026-03-29T12:00:00Z')[1]).toBe('night 03-28T21:00 03-29T04:00');
    expect(spans(berlin, '2026-10-24T12:00:00Z', '2026-10-25T12:00:00Z')[1]).toBe('night 10-24T20:00 10-25T05:00');
  });

  it('leaves out an hour that is skipped and has an hour that comes twice twice', () => {
    const hour = { name: 'two', from: '02:00', to: '03:00', rate: '2' };
    const angeles = terms('America/Los_Angeles', [hour]);
    expect(spans(angeles, '2025-03-09T08:00:00Z', '2025-03-09T20:00:00Z')).toEqual(['default 03-09T08:00 03-09T20:00']);
    const one = terms('America/Los_Angeles', [{ ...hour, name: 'one', from: '01:00', to: '02:00' }]);
    expect(spans(one, '2025-11-02T07:00:00Z', '2025-11-02T12:00:00Z')[1]).toBe('one 11-02T08:00 11-02T10:00');
  });

  it('covers every instant of a period once, as the wall clock says', () => {
    const price = terms('Europe/Berlin', [peak, night]);
    const wall = new Intl.DateTimeFormat('en-GB', {
      timeZone: 'Europe/Berlin',
      weekday: 'short',
      hour: '2-digit',
      hourCycle: 'h23',
    });
    const expected = (ms: number): string => {
      const parts = Object.fromEntries(wall.formatToParts(ms).map(({ type, value }) => [type, value]));
      const hour = Number(parts.hour);
      if (hour >= 22 || hour < 6) return 'night';
      return hour >= 8 && hour < 20 && parts.weekday !== 'Sat' && parts.weekday !== 'Sun' ? 'peak' : 'default';
    };
    const start = fc.integer({ min: 1_700_000_000_000, max: 1_900_000_000_000 });
    fc.assert(
      fc.property(
        start,
        fc.integer({ min: 1, max: 20 * 86_400_000 }),
        fc.array(fc.nat(1_000_000)),
        (from, length, places) => {
          const cut = price.clock?.bucketsOf({ start: instant(from), end: instant(from + length) }) ?? [];
          expect(cut[0]?.period.start).toBe(from);
          expect(cut.at(-1)?.period.end).toBe(from + length);
          cut.slice(1).forEach((span, i) => expect(span.period.start).toBe(cut[i]?.period.end));
          cut.slice(1).forEach((span, i) => expect(span.bucket).not.toBe(cut[i]?.bucket));
          for (const place of places) {
            const ms = from + Math.floor((place / 1_000_001) * length);
            expect(cut.find(({ period }) => period.start <= ms && ms < period.end)?.bucket).toBe(expected(ms));
          }
        },
      ),
    );
  });

  it('prices each bucket at its rate', () => {
    const price = terms('UTC', [peak, night]);
    const q = (text: string) => parseDecimal(text) ?? ZERO;
    const usage = { quantity: q('8.5'), buckets: { peak: q('3'), night: q('1.5'), default: q('4') } };
    expect(formatDecimal(price.cost(usage))).toBe('10.75');
    expect(() => price.cost({ quantity: q('1') })).toThrow('the quantity of each bucket');
    expect(() => price.cost({ quantity: q('1'), buckets: { noon: q('1') } })).toThrow('no bucket "noon"');
  });
});
