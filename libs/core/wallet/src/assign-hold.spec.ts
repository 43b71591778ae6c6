import { instant } from '@core/time';
import {
  assignHold,
  captureHold,
  EMPTY_WALLET,
  type Grant,
  heldOf,
  type Hold,
  type Limit,
  postedOf,
  takeHold,
  type Wallet,
} from './index.js';

const AT = instant(1_795_000_000_000);

const grant = (id: string, granted: bigint): Grant => ({
  id,
  kind: 'goodwill',
  priority: 50,
  amount: granted,
  cost: 0n,
  granted,
  consumed: 0n,
  expired: 0n,
  voided: 0n,
  refunded: 0n,
  held: 0n,
  effectiveAt: AT,
  expiresAt: undefined,
  scope: undefined,
  createdAt: AT,
  isVoid: false,
});

const ACCOUNT: Limit = {
  id: 'lim_account',
  subject: { kind: 'account' },
  window: 'day',
  amount: 100n,
  hard: true,
  alertPercents: [],
};
const METER: Limit = { ...ACCOUNT, id: 'lim_meter', subject: { kind: 'meter', meter: 'calls' }, amount: 25n };

const wallet: Wallet = {
  ...EMPTY_WALLET,
  grants: [grant('grt_1', 10n), grant('grt_2', 10n)],
  creditLimit: 50n,
  limits: [ACCOUNT, METER],
};

/** 40 for a call that is not known yet: 20 of grants, 20 on credit. */
function attested(): { wallet: Wallet; hold: Hold } {
  const taken = takeHold(wallet, { amount: 40n, meter: undefined, key: undefined, budgets: [], ttlSeconds: 900 }, AT);
  if (taken.outcome !== 'held') throw new Error(taken.outcome);
  return taken;
}

const call = (amount: bigint) => ({ amount, meter: 'calls', key: undefined });

function assigned(amount: bigint): { wallet: Wallet; hold: Hold } {
  const before = attested();
  const after = assignHold(before.wallet, before.hold, call(amount), AT);
  if (after.outcome !== 'assigned') throw new Error(after.outcome);
  return after;
}

describe('assigning a hold to its call', () => {
  it('gives back what the call cannot cost, of credit first', () => {
    const { wallet: after, hold } = assigned(25n);
    expect(hold).toMatchObject({ amount: 25n, credit: 5n, meter: 'calls', state: 'held' });
    expect(hold.parts).toEqual([
      { grant: 'grt_1', amount: 10n },
      { grant: 'grt_2', amount: 10n },
    ]);
    expect([heldOf(after), after.creditHeld, postedOf(after)]).toEqual([25n, 5n, 20n]);
  });

  it('gives back of the grants then, the last to be spent first', () => {
    const { wallet: after, hold } = assigned(13n);
    expect(hold).toMatchObject({
      credit: 0n,
      parts: [
        { grant: 'grt_1', amount: 10n },
        { grant: 'grt_2', amount: 3n },
      ],
    });
    expect(after.grants.map(({ held }) => held)).toEqual([10n, 3n]);
  });

  it('counts the call in the limits of its meter, and less in the others', () => {
    const { wallet: after } = assigned(13n);
    expect(after.counters).toEqual([
      expect.objectContaining({ limit: 'lim_account', held: 13n, spent: 0n }),
      expect.objectContaining({ limit: 'lim_meter', held: 13n, spent: 0n }),
    ]);
  });

  it('is captured like any other hold, and leaves nothing set aside', () => {
    const { wallet: before, hold } = assigned(25n);
    const captured = captureHold(before, hold, 22n, AT);
    expect(captured).toMatchObject({ charged: 22n, credit: 2n, excess: 0n });
    expect([heldOf(captured.wallet), captured.wallet.owed]).toEqual([0n, 2n]);
    expect(captured.wallet.counters.map(({ spent, held }) => [spent, held])).toEqual([
      [22n, 0n],
      [22n, 0n],
    ]);
  });

  it('is refused for a call that costs more, or that passes a limit of its meter', () => {
    const { wallet: before, hold } = attested();
    expect(assignHold(before, hold, call(41n), AT)).toEqual({ outcome: 'beyond' });
    expect(assignHold(before, hold, call(26n), AT)).toMatchObject({ outcome: 'limit', limit: METER, left: 25n });
    expect(assignHold(before, hold, { ...call(40n), meter: 'other' }, AT).outcome).toBe('assigned');
  });

  it('is never done twice', () => {
    const { wallet: before, hold } = assigned(25n);
    expect(() => assignHold(before, hold, call(25n), AT)).toThrow('not open and unused');
  });
});
