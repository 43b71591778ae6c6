import type Stripe from 'stripe';
import { nextMidnight, DAY } from './clock.js';
import { noSuch } from './errors.js';
import { emit } from './events.js';
import { isAsked, listed } from './listing.js';
import type { Call } from './call.js';
import type { World } from './world.js';

/** Funds of charges arrive with the second midnight after them. */
const ARRIVAL_DAYS = 1;

export interface Movement {
  readonly type: Stripe.BalanceTransaction.Type;
  readonly category: string;
  readonly amount: number;
  readonly fee?: number;
  readonly feeDescription?: string;
  readonly currency: string;
  readonly source: string | null;
  readonly description: string | null;
  /** Available at once; charges otherwise wait for their day. */
  readonly atOnce?: boolean;
}

/** Moves the stand-in's balance. Everything that touches money goes through here: net = amount − fee. */
export function move(world: World, movement: Movement): Stripe.BalanceTransaction {
  const { amount, fee = 0, currency } = movement;
  const now = world.clock.now();
  const atOnce = movement.atOnce ?? amount <= 0;
  const availableOn = atOnce ? Math.floor(now / 1000) : Math.floor((nextMidnight(now) + ARRIVAL_DAYS * DAY) / 1000);
  const transaction: Stripe.BalanceTransaction = {
    id: world.id('txn'),
    object: 'balance_transaction',
    amount,
    available_on: availableOn,
    balance_type: 'payments',
    created: world.clock.seconds(),
    currency,
    description: movement.description,
    exchange_rate: null,
    fee,
    fee_details:
      fee === 0
        ? []
        : [
            {
              amount: fee,
              application: null,
              currency,
              description: movement.feeDescription ?? 'Processing fee of the local stand-in',
              type: 'stripe_fee',
            },
          ],
    net: amount - fee,
    reporting_category: movement.category,
    source: movement.source,
    status: atOnce ? 'available' : 'pending',
    type: movement.type,
  };
  world.state.balanceTransactions[transaction.id] = transaction;
  return transaction;
}

/** Makes available what has waited for its day. */
export function releaseFunds(world: World): void {
  const now = world.clock.seconds();
  let released = false;
  for (const transaction of Object.values(world.state.balanceTransactions)) {
    if (transaction.status !== 'pending' || transaction.available_on > now) continue;
    transaction.status = 'available';
    released = true;
  }
  if (released) emit(world, 'balance.available', balanceOf(world));
}

export function balanceOf(world: World): Stripe.Balance {
  const sums = { available: new Map<string, number>(), pending: new Map<string, number>() };
  for (const { status, currency, net } of Object.values(world.state.balanceTransactions)) {
    const sum = status === 'available' ? sums.available : sums.pending;
    sum.set(currency, (sum.get(currency) ?? 0) + net);
  }
  const currencies = new Set(['usd', ...sums.available.keys(), ...sums.pending.keys()]);
  const side = (of: ReadonlyMap<string, number>) =>
    [...currencies].map((currency) => {
      const amount = of.get(currency) ?? 0;
      return { amount, currency, source_types: { card: amount } };
    });
  return { object: 'balance', available: side(sums.available), livemode: false, pending: side(sums.pending) };
}

export function availableIn(world: World, currency: string): number {
  return balanceOf(world).available.find((one) => one.currency === currency)?.amount ?? 0;
}

export const balance = {
  retrieve: ({ world }: Call): Stripe.Balance => {
    return balanceOf(world);
  },

  retrieveTransaction: ({ world, id }: Call): Stripe.BalanceTransaction => {
    const transaction = world.state.balanceTransactions[id];
    if (transaction === undefined) throw noSuch('balance transaction', id);
    return transaction;
  },

  /** With `payout`, those an automatic payout carried, its own line included: their nets sum to zero. */
  listTransactions: (call: Call): Stripe.ApiList<Stripe.BalanceTransaction> => {
    const { params, world } = call;
    const created = params.range('created');
    const payout = params.text('payout');
    if (payout !== undefined && world.state.payouts[payout] === undefined) throw noSuch('payout', payout, 'payout');
    const [type, source, currency] = [params.text('type'), params.text('source'), params.text('currency')];
    return listed(
      call,
      world.state.balanceTransactions,
      ['created', 'payout', 'type', 'source', 'currency'],
      (one) =>
        created(one.created) &&
        (payout === undefined ||
          world.state.paidOutBy[one.id] === payout ||
          (one.type === 'payout' && one.source === payout)) &&
        (type === undefined || one.type === type) &&
        (currency === undefined || one.currency === currency) &&
        isAsked(source, one.source),
    );
  },
};
