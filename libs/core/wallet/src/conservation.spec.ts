import fc from 'fast-check';
import { addMs, instant } from '@core/time';
import {
  availableFor,
  captureHold,
  EMPTY_WALLET,
  extendHold,
  freeOf,
  type Grant,
  heldOf,
  type Hold,
  lapse,
  postedOf,
  refundGrant,
  releaseHold,
  remainingOf,
  takeHold,
  voidGrant,
  type Wallet,
} from './index.js';

const START = instant(Date.UTC(2026, 10, 21));
const METERS = ['calls', 'seconds'] as const;

const grants = fc.array(
  fc.record({
    amount: fc.bigInt(1n, 100n),
    isPaid: fc.boolean(),
    priority: fc.nat(2),
    lasts: fc.option(fc.integer({ min: 1, max: 50 })),
    scope: fc.option(fc.constantFrom(...METERS)),
  }),
  { minLength: 1, maxLength: 6 },
);

const steps = fc.array(
  fc.record({
    kind: fc.constantFrom('take', 'take', 'take', 'capture', 'capture', 'extend', 'release', 'lapse', 'void', 'refund'),
    nth: fc.nat(40),
    amount: fc.bigInt(0n, 80n),
    meter: fc.constantFrom(...METERS),
  }),
  { maxLength: 40 },
);

const grantOf = (
  { amount, isPaid, priority, lasts, scope }: typeof grants extends fc.Arbitrary<(infer G)[]> ? G : never,
  n: number,
): Grant => ({
  id: `grt_${n}`,
  kind: isPaid ? 'paid' : 'goodwill',
  priority,
  effectiveAt: START,
  expiresAt: lasts === null ? undefined : addMs(START, lasts),
  scope: scope === null ? undefined : [scope],
  createdAt: START,
  amount,
  cost: isPaid ? amount : 0n,
  granted: amount,
  consumed: 0n,
  expired: 0n,
  voided: 0n,
  refunded: 0n,
  held: 0n,
  isVoid: false,
});

const sum = (values: readonly bigint[]): bigint => values.reduce((a, b) => a + b, 0n);

describe('whatever happens to a wallet', () => {
  it('what was granted is what was handed out and what is left, of every grant and in all', () => {
    fc.assert(
      fc.property(grants, steps, (given, told) => {
        let wallet: Wallet = { ...EMPTY_WALLET, grants: given.map(grantOf) };
        const holds: Hold[] = [];
        const out = new Map<string, bigint>();
        const hand = (grant: string, amount: bigint) => out.set(grant, (out.get(grant) ?? 0n) + amount);
        const change = (grant: Grant) =>
          (wallet = { ...wallet, grants: wallet.grants.map((one) => (one.id === grant.id ? grant : one)) });

        told.forEach(({ kind, nth, amount, meter }, n) => {
          const at = addMs(START, n);
          const place = nth % Math.max(1, holds.length);
          const hold = holds[place];
          const grant = wallet.grants[nth % wallet.grants.length];
          if (kind === 'take') {
            const before = availableFor(wallet, meter, at);
            const taken = takeHold(wallet, { amount, meter, key: undefined, budgets: [], ttlSeconds: 1 }, at);
            expect(taken.outcome).toBe(amount <= before ? 'held' : 'insufficient');
            if (taken.outcome !== 'held') return;
            ({ wallet } = taken);
            holds.push(taken.hold);
          } else if (kind === 'lapse' && grant) {
            const ended = lapse(grant, at);
            hand(grant.id, ended.amount);
            change(ended.grant);
          } else if ((kind === 'void' || kind === 'refund') && grant) {
            const ended = kind === 'void' ? voidGrant(grant, at) : refundGrant(grant, amount, at);
            if (!('grant' in ended)) return;
            hand(grant.id, ended.amount);
            change(ended.grant);
          } else if (hold?.state === 'held') {
            if (kind === 'capture') {
              const captured = captureHold(wallet, hold, amount, at);
              for (const part of captured.consumed) hand(part.grant, part.amount);
              expect(sum(captured.consumed.map((part) => part.amount))).toBe(
                amount < hold.amount ? amount : hold.amount,
              );
              ({ wallet, hold: holds[place] } = captured);
            } else if (kind === 'extend')
              ({ wallet, hold: holds[place] } = extendHold(wallet, hold, { used: 0n, amount }, at));
            else if (kind === 'release') ({ wallet, hold: holds[place] } = releaseHold(wallet, hold));
          }
          for (const each of wallet.grants) {
            expect(each.amount - (out.get(each.id) ?? 0n)).toBe(remainingOf(each));
            expect(freeOf(each) >= 0n && each.held >= 0n).toBe(true);
          }
          expect(heldOf(wallet)).toBe(sum(holds.flatMap((one) => (one.state === 'held' ? [one.amount] : []))));
          expect(postedOf(wallet)).toBe(sum(given.map((one) => one.amount)) - sum([...out.values()]));
        });
      }),
      { numRuns: 400 },
    );
  });
});
