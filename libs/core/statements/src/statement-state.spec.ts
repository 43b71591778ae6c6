import fc from 'fast-check';
import {
  afterStatementEvent,
  issuedStanding,
  openOf,
  type StatementEvent,
  type StatementStanding,
  statementNumber,
} from './statement-state.js';

const some = fc.bigInt({ min: 1n, max: 6n });
const event: fc.Arbitrary<StatementEvent> = fc.oneof(
  fc.record({ kind: fc.constantFrom('received' as const, 'taken_back' as const), amount: some }),
  fc.record({ kind: fc.constantFrom('credited' as const, 'recovered' as const), amount: some }),
  fc.record({
    kind: fc.constantFrom(
      'processing' as const,
      'processing_failed' as const,
      'overdue' as const,
      'written_off' as const,
    ),
  }),
);
const story = fc.tuple(fc.bigInt({ min: 0n, max: 12n }), fc.array(event, { maxLength: 30 }));

function* told(due: bigint, events: readonly StatementEvent[]) {
  let before = issuedStanding(due);
  for (const event of events) {
    const verdict = afterStatementEvent(before, event);
    const after: StatementStanding = verdict.outcome === 'changed' ? verdict.standing : before;
    yield { event, before, after, verdict };
    before = after;
  }
}

describe('what becomes of a statement', () => {
  it('never changes what it asks for, and never has more or less open than that', () => {
    fc.assert(
      fc.property(story, ([due, events]) => {
        for (const { after } of told(due, events)) {
          expect(after.due).toBe(due);
          expect(openOf(after)).toBeGreaterThanOrEqual(0n);
          expect(openOf(after)).toBeLessThanOrEqual(due);
          for (const sum of [after.paid, after.credited, after.writtenOff]) expect(sum).toBeGreaterThanOrEqual(0n);
        }
      }),
    );
  });

  it('is over exactly when nothing is open, and says by what', () => {
    fc.assert(
      fc.property(story, ([due, events]) => {
        for (const { after } of told(due, events)) {
          expect(['paid', 'uncollectible'].includes(after.state)).toBe(openOf(after) === 0n);
          if (openOf(after) === 0n) expect(after.state === 'uncollectible').toBe(after.writtenOff > 0n);
          else if (after.state === 'part_paid') expect(after.paid).toBeGreaterThan(0n);
          else if (after.state === 'issued') expect(after.paid).toBe(0n);
        }
      }),
    );
  });

  it('tells by how much the debt changed, which adds up over any story', () => {
    fc.assert(
      fc.property(story, ([due, events]) => {
        let owed = due;
        for (const { verdict, after } of told(due, events)) {
          if (verdict.outcome === 'changed') owed += verdict.change;
          expect(owed).toBe(openOf(after));
        }
      }),
    );
  });

  it('takes no more than there is, and says how much that would have been', () => {
    fc.assert(
      fc.property(story, ([due, events]) => {
        for (const { verdict, before, event } of told(due, events)) {
          if (verdict.outcome !== 'too_much' || !('amount' in event)) continue;
          expect(verdict.most).toBeLessThan(event.amount);
          const again = verdict.most > 0n ? afterStatementEvent(before, { ...event, amount: verdict.most }) : undefined;
          if (again) expect(again.outcome).toBe('changed');
        }
      }),
    );
  });

  it('keeps what was said of it last while something is open', () => {
    const overdue = afterStatementEvent(issuedStanding(10n), { kind: 'overdue' });
    const standing = overdue.outcome === 'changed' ? overdue.standing : issuedStanding(0n);
    expect(afterStatementEvent(standing, { kind: 'received', amount: 4n })).toMatchObject({
      standing: { state: 'overdue', paid: 4n },
      change: -4n,
    });
    expect(afterStatementEvent(standing, { kind: 'processing' })).toMatchObject({ standing: { state: 'processing' } });
    expect(afterStatementEvent(issuedStanding(0n), { kind: 'processing' })).toEqual({ outcome: 'not_possible' });
    expect(afterStatementEvent(issuedStanding(5n), { kind: 'received', amount: 0n })).toEqual({
      outcome: 'not_possible',
    });
    const voided = { ...issuedStanding(5n), state: 'voided' as const };
    expect(afterStatementEvent(voided, { kind: 'received', amount: 1n })).toEqual({ outcome: 'not_possible' });
  });

  it('prints numbers of at least six digits', () => {
    expect([statementNumber('S', 1n), statementNumber('S', 1_234_567n)]).toEqual(['S-000001', 'S-1234567']);
  });
});
