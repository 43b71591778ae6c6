import { assetId } from '@core/money';
import fc from 'fast-check';
import { type AgentBudget, BUDGET_SPANS, budgetProblem } from './index.js';

const asset = assetId('iso4217:USD');
const other = assetId('iso4217:EUR');

describe('budgets of a key', () => {
  it('can hold together when no longer span allows less', () => {
    const budget = fc.record({
      asset: fc.constantFrom(asset, other),
      span: fc.constantFrom(...BUDGET_SPANS),
      amount: fc.bigInt({ min: 0n, max: 5n }),
    });
    fc.assert(
      fc.property(fc.array(budget, { maxLength: 6 }), (budgets: AgentBudget[]) => {
        const twice = new Set(budgets.map((b) => `${b.asset} ${b.span}`)).size < budgets.length;
        const beyond = budgets.some((short) =>
          budgets.some(
            (long) =>
              long.asset === short.asset &&
              BUDGET_SPANS.indexOf(long.span) > BUDGET_SPANS.indexOf(short.span) &&
              long.amount < short.amount,
          ),
        );
        expect(budgetProblem(budgets) !== undefined).toBe(twice || beyond);
      }),
    );
  });
});
