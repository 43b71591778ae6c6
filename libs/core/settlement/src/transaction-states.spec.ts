import { advanceTransaction, TRANSACTION_STATES, TRANSACTION_TRANSITIONS } from './transaction-states.js';

describe('the states of a chain transaction', () => {
  it.each(TRANSACTION_STATES.flatMap((from) => TRANSACTION_STATES.map((to) => [from, to] as const)))(
    '%s to %s is as the table says',
    (from, to) => {
      const attempt = () => advanceTransaction(from, to);
      if (TRANSACTION_TRANSITIONS[from].includes(to)) expect(attempt()).toBe(to);
      else expect(attempt).toThrow(`cannot go from ${from} to ${to}`);
    },
  );

  it('end in final or dropped, and every other one can still get there', () => {
    const ends = TRANSACTION_STATES.filter((state) => TRANSACTION_TRANSITIONS[state].length === 0);
    expect(ends).toEqual(['final', 'dropped']);
    for (const state of TRANSACTION_STATES.filter((one) => !ends.includes(one))) {
      const reached = new Set([state]);
      for (const at of reached) for (const next of TRANSACTION_TRANSITIONS[at]) reached.add(next);
      expect([...reached]).toEqual(expect.arrayContaining(['final', 'dropped']));
    }
  });

  it('never lead from bytes that were sent back to bytes that were not', () => {
    for (const state of TRANSACTION_STATES) expect(TRANSACTION_TRANSITIONS[state]).not.toContain('signed');
  });
});
