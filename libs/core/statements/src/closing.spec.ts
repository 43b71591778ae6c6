import fc from 'fast-check';
import { erc20Asset } from '@core/money';
import { instant, parseInstant, zonedPeriodOf } from '@core/time';
import { closePeriodOf, dueAtOf, periodAfter, statementContent } from './closing.js';

const sum = fc.bigInt({ min: -1_000n, max: 1_000n });
const moment = fc.integer({ min: Date.UTC(2000, 0, 1), max: Date.UTC(2035, 0, 1) }).map(instant);
const zone = fc.constantFrom(
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Asia/Kolkata',
  'Pacific/Apia',
  'America/Sao_Paulo',
);
const size = fc.constantFrom('day' as const, 'week' as const, 'month' as const);
const time = (text: string) => parseInstant(text) ?? instant(0);

describe('closing a period', () => {
  it('asks for what is accrued, never for less than nothing, and never without a reason', () => {
    fc.assert(
      fc.property(
        sum,
        sum,
        sum,
        sum,
        sum,
        fc.bigInt({ min: 0n, max: 3n }),
        (opening, charges, payments, adjustments, accrued, moved) => {
          const closing = opening + charges - payments + adjustments;
          const verdict = closePeriodOf({ opening, charges, payments, adjustments, closing, accrued, moved });
          expect(verdict.issue).toBe(moved > 0n || closing !== 0n || accrued !== 0n);
          if (verdict.issue) expect(verdict.due).toBe(accrued > 0n ? accrued : 0n);
        },
      ),
    );
  });

  it('refuses what does not add up', () => {
    const drawn = { opening: 1n, charges: 2n, payments: 1n, adjustments: 0n, closing: 3n, accrued: 3n, moved: 1n };
    expect(() => closePeriodOf(drawn)).toThrow('does not add up');
  });
});

describe('the calendar of billing', () => {
  it('lets one period begin where the last one ended, wherever that was, and end where the calendar says', () => {
    fc.assert(
      fc.property(moment, moment, size, zone, (a, b, length, where) => {
        fc.pre(a !== b);
        const ended = { start: a < b ? a : b, end: a < b ? b : a };
        const next = periodAfter(ended, length, where);
        expect(next.start).toBe(ended.end);
        expect(next.end).toBeGreaterThan(next.start);
        expect(zonedPeriodOf(next.end, length, where).start).toBe(next.end);
        expect(periodAfter(next, length, where)).toEqual(zonedPeriodOf(next.end, length, where));
      }),
      { numRuns: 300 },
    );
  });

  it('gives whole days of the zone to pay, also where the clocks change', () => {
    fc.assert(
      fc.property(moment, fc.integer({ min: 0, max: 120 }), zone, (issued, days, where) => {
        const due = dueAtOf(issued, days, where);
        expect(due).toBeGreaterThanOrEqual(issued + Math.max(0, days * 86_400_000 - 90_000_000));
        if (days === 0) expect(due).toBe(issued);
        else expect(zonedPeriodOf(due, 'day', where).start).toBe(due);
      }),
      { numRuns: 60 },
    );
    expect(dueAtOf(time('2026-10-20T12:00:00Z'), 14, 'Europe/Berlin')).toBe(time('2026-11-03T23:00:00Z'));
  });
});

it('hashes what a statement says, line by line', () => {
  const period = { start: time('2026-10-01T00:00:00Z'), end: time('2026-11-01T00:00:00Z') };
  const of = { account: 'acct_1', asset: erc20Asset(1, `0x${'1'.repeat(40)}`), period, opening: -5n };
  const lines = [
    { postingKey: 'accrue:chg_1:1:usage', atomic: 7n },
    { postingKey: 'adjust:1:amount', atomic: -2n },
  ];
  expect(statementContent(of, lines)).toBe(
    `acct_1 ${of.asset} 2026-10-01T00:00:00.000Z 2026-11-01T00:00:00.000Z -5\naccrue:chg_1:1:usage 7\nadjust:1:amount -2`,
  );
  expect(statementContent(of, [])).not.toContain('\n');
});
