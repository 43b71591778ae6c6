import fc from 'fast-check';
import {
  type BillingPeriod,
  type Period,
  type ZonedWindowSize,
  formatInstant,
  instant,
  isZone,
  parseInstant,
  zonedPeriodOf,
  zonedWindowsOf,
} from './index.js';

const at = (text: string) => parseInstant(text) ?? instant(Number.NaN);
const hoursOf = ({ start, end }: Period) => (end - start) / 3_600_000;
const days = (from: string, to: string, zone: string) => zonedWindowsOf({ start: at(from), end: at(to) }, 'day', zone);

describe('windows of a zone', () => {
  it('are seven days from 6 to 12 March 2025 in Los Angeles, the 9th of 23 hours', () => {
    const week = days('2025-03-06T08:00:00Z', '2025-03-13T07:00:00Z', 'America/Los_Angeles');
    expect(week.map(hoursOf)).toEqual([24, 24, 24, 23, 24, 24, 24]);
    expect(week.map(({ start }) => formatInstant(start).slice(0, 13))).toEqual([
      '2025-03-06T08',
      '2025-03-07T08',
      '2025-03-08T08',
      '2025-03-09T08',
      '2025-03-10T07',
      '2025-03-11T07',
      '2025-03-12T07',
    ]);
  });

  it('are seven days from 30 October to 5 November 2025 in Los Angeles, the 2nd of 25 hours', () => {
    const week = days('2025-10-30T07:00:00Z', '2025-11-06T08:00:00Z', 'America/Los_Angeles');
    expect(week.map(hoursOf)).toEqual([24, 24, 24, 25, 24, 24, 24]);
  });

  it('begin at the half hour in zones that do, and at the quarter', () => {
    const hour = (zone: string) =>
      zonedWindowsOf({ start: at('2026-11-21T10:10:00Z'), end: at('2026-11-21T10:11:00Z') }, 'hour', zone).map(
        ({ start, end }) => `${formatInstant(start).slice(11, 16)}-${formatInstant(end).slice(11, 16)}`,
      );
    expect(hour('Asia/Kolkata')).toEqual(['09:30-10:30']);
    expect(hour('Asia/Kathmandu')).toEqual(['09:15-10:15']);
    expect(hour('UTC')).toEqual(['10:00-11:00']);
  });

  it('are months of the zone, with the hour the clocks give or take', () => {
    const months = zonedWindowsOf(
      { start: at('2026-10-15T00:00:00Z'), end: at('2026-12-01T00:00:00Z') },
      'month',
      'Europe/Berlin',
    );
    expect(months.map(({ start }) => formatInstant(start))).toEqual([
      '2026-09-30T22:00:00.000Z',
      '2026-10-31T23:00:00.000Z',
      '2026-11-30T23:00:00.000Z',
    ]);
    expect(months.map(hoursOf)).toEqual([31 * 24 + 1, 30 * 24, 31 * 24]);
  });

  it('begin after a midnight that is skipped, and at the earlier of two', () => {
    // Cairo's clocks go from 00:00 to 01:00 on 24 April 2026; Havana's from 01:00 back to 00:00 on 1 November 2026.
    const cairo = days('2026-04-23T22:00:00Z', '2026-04-24T20:00:00Z', 'Africa/Cairo');
    expect(cairo.map((day) => [formatInstant(day.start), hoursOf(day)])).toEqual([['2026-04-23T22:00:00.000Z', 23]]);
    const havana = days('2026-11-01T12:00:00Z', '2026-11-01T13:00:00Z', 'America/Havana');
    expect(havana.map((day) => [formatInstant(day.start), hoursOf(day)])).toEqual([['2026-11-01T04:00:00.000Z', 25]]);
  });

  it('leave out a day the zone left out', () => {
    const samoa = days('2011-12-29T12:00:00Z', '2011-12-31T09:00:00Z', 'Pacific/Apia');
    expect(samoa.map(({ start }) => formatInstant(start))).toEqual([
      '2011-12-29T10:00:00.000Z',
      '2011-12-30T10:00:00.000Z',
    ]);
    expect(samoa.map(hoursOf)).toEqual([24, 24]);
  });

  it('cut the hour in which clocks change by half an hour', () => {
    // Lord Howe goes from 02:00 back to 01:30 on 5 April 2026.
    const hours = zonedWindowsOf(
      { start: at('2026-04-04T14:00:00Z'), end: at('2026-04-04T16:30:00Z') },
      'hour',
      'Australia/Lord_Howe',
    );
    expect(hours.map(hoursOf)).toEqual([1, 0.5, 1]);
  });

  const zones = fc.constantFrom(
    'UTC',
    'America/Los_Angeles',
    'Europe/Berlin',
    'Asia/Kolkata',
    'Asia/Kathmandu',
    'Australia/Lord_Howe',
    'Africa/Cairo',
    'America/Havana',
    'America/St_Johns',
    'Pacific/Chatham',
    'Pacific/Kiritimati',
  );
  const sizes = fc.constantFrom<ZonedWindowSize>('minute', 'hour', 'day', 'month');
  const spans: Readonly<Record<ZonedWindowSize, number>> = {
    minute: 3_600_000,
    hour: 40 * 3_600_000,
    day: 20 * 86_400_000,
    month: 200 * 86_400_000,
  };

  it('follow each other without gap, cover the range, and are the same wherever the range begins', () => {
    fc.assert(
      fc.property(
        zones,
        sizes,
        fc.integer({ min: Date.UTC(2015, 0), max: Date.UTC(2030, 0) }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (zone, size, from, share) => {
          const range = { start: instant(from), end: instant(from + Math.ceil(spans[size] * share)) };
          const windows = zonedWindowsOf(range, size, zone);
          expect(windows[0]?.start).toBeLessThanOrEqual(range.start);
          expect(windows[0]?.end).toBeGreaterThan(range.start);
          expect(windows.at(-1)?.start).toBeLessThan(range.end);
          expect(windows.at(-1)?.end).toBeGreaterThanOrEqual(range.end);
          windows.slice(1).forEach(({ start }, i) => expect(start).toBe(windows[i]?.end));
          const last = windows.at(-1);
          if (last) expect(zonedWindowsOf({ start: instant(last.end - 1), end: last.end }, size, zone)).toEqual([last]);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('names of zones', () => {
  it('are those of the IANA database', () => {
    expect(['UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires', 'Etc/GMT+5'].map(isZone)).toEqual(
      Array.from({ length: 4 }, () => true),
    );
    expect(['', 'Mars/Olympus', '+05:30', 'Europe/Berlin ', 'x'.repeat(80), '../etc/passwd'].map(isZone)).toEqual(
      Array.from({ length: 6 }, () => false),
    );
  });
});

describe('billing periods', () => {
  const of = (text: string, size: BillingPeriod, zone: string) => {
    const { start, end } = zonedPeriodOf(at(text), size, zone);
    return [formatInstant(start), formatInstant(end)];
  };

  it('are days, ISO weeks and months of the wall calendar, longer or shorter where the clocks change', () => {
    expect(of('2026-11-01T12:00:00Z', 'day', 'America/New_York')).toEqual([
      '2026-11-01T04:00:00.000Z',
      '2026-11-02T05:00:00.000Z',
    ]);
    expect(of('2026-11-01T12:00:00Z', 'week', 'America/New_York')).toEqual([
      '2026-10-26T04:00:00.000Z',
      '2026-11-02T05:00:00.000Z',
    ]);
    expect(of('2026-03-01T00:00:00Z', 'month', 'UTC')).toEqual([
      '2026-03-01T00:00:00.000Z',
      '2026-04-01T00:00:00.000Z',
    ]);
  });

  it('follow one another without a gap, through years, in every zone', () => {
    for (const zone of ['UTC', 'Europe/Berlin', 'America/St_Johns', 'Pacific/Apia', 'Asia/Kathmandu', 'Africa/Cairo']) {
      for (const size of ['day', 'week', 'month'] as const) {
        let period = zonedPeriodOf(instant(Date.UTC(2011, 0, 1)), size, zone);
        for (let i = 0; i < 400; i += 1) {
          const next = zonedPeriodOf(period.end, size, zone);
          expect([next.start, next.end > next.start]).toEqual([period.end, true]);
          period = next;
        }
      }
    }
  });
});
