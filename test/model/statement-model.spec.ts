import { differenceIn } from './difference.js';
import { randomCase } from './random-case.js';
import { smallest } from './smallest.js';

// Random usage, prices and corrections, told to the product and to a model that shares no code with it. What is compared:
// the quantity, exact cost and amount of every charge at every stage, what the account owes, and each statement, which
// has to be the sum of its lines and the change of the ledger.

/** A million cases are for `CASES=1000000`. */
const CASES = Number(process.env.CASES ?? 20_000);
const FIRST = Number(process.env.FIRST_CASE ?? 1);

describe('statements', () => {
  it(`are what an independent model says, in ${CASES} cases of usage, prices and corrections`, () => {
    for (let seed = FIRST; seed < FIRST + CASES; seed += 1) {
      const told = randomCase(seed);
      if (differenceIn(told, seed) === undefined) continue;
      const left = smallest(told, seed);
      throw new Error(`Case ${seed}: ${differenceIn(left, seed)}\n${JSON.stringify(left)}`);
    }
  }, 3_600_000);
});
