import fc from 'fast-check';
import {
  formatInstant,
  instant,
  monthOf,
  overlap,
  parseInstant,
  parsePeriod,
  windowOf,
  windowsOf,
  type WindowSize,
} from './index.js';

const instants = fc.integer({ min: 0, max: 4_000_000_000_000 }).map(instant);
const sizes = fc.constantFrom<WindowSize>('hour', 'day', 'month');

describe('instants', () => {
  it('are written and read without loss', () => {
    fc.assert(fc.property(instants, (at) => expect(parseInstant(formatInstant(at))).toBe(at)));
  });

  it.each(['2026-11-21', '2026-11-21T08:00:00', '21 Nov 2026', '2026-13-01T00:00:00Z', '1763712000', ''])(
    'are not read from %j',
    (text) => {
      expect(parseInstant(text)).toBeUndefined();
    },
  );
});

describe('windows', () => {
  it('hold their instant, and each ends where the next begins', () => {
    fc.assert(
      fc.property(instants, sizes, (at, size) => {
        const window = windowOf(at, size);
        expect(window.start <= at && at < window.end).toBe(true);
        expect(windowOf(window.end, size).start).toBe(window.end);
      }),
    );
  });

  it('cover a range without gap', () => {
    const start = instant(Date.UTC(2026, 0, 30, 5));
    const windows = windowsOf({ start, end: instant(Date.UTC(2026, 3, 2)) }, 'month');
    expect(windows.map((window) => formatInstant(window.start).slice(0, 7))).toEqual([
      '2026-01',
      '2026-02',
      '2026-03',
      '2026-04',
    ]);
  });

  it('share their overlap, half open', () => {
    const november = monthOf(instant(Date.UTC(2026, 10, 21)));
    const december = monthOf(november.end);
    expect(overlap(november, december)).toBeUndefined();
    expect(overlap(november, { start: instant(november.end - 1), end: december.end })).toEqual({
      start: november.end - 1,
      end: november.end,
    });
  });
});

describe('periods', () => {
  it('are months or days', () => {
    expect(parsePeriod('2026-02')).toEqual({ start: Date.UTC(2026, 1, 1), end: Date.UTC(2026, 2, 1) });
    expect(parsePeriod('2026-02-28')).toEqual({ start: Date.UTC(2026, 1, 28), end: Date.UTC(2026, 2, 1) });
  });

  it.each(['2026-13', '2026-02-30', '2026', 'x'])('are not read from %j', (text) =>
    expect(() => parsePeriod(text)).toThrow('is not a period'),
  );
});
