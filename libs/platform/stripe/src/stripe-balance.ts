import type Stripe from 'stripe';
import { type BalanceMovement, BalanceRail, type ReadAnswer } from '@core/collections';
import { instant } from '@core/time';
import { readFailure } from './stripe-answers.js';

type Missed = Exclude<ReadAnswer, { kind: 'fetched' }>;
type Found<What> = ({ readonly kind: 'fetched' } & What) | Missed;

const PAGE = 100;

/** Stripe's balance transactions. */
export class StripeBalance extends BalanceRail {
  constructor(private readonly stripe: Stripe) {
    super();
  }

  async movements({
    since,
    after,
  }: {
    readonly since: number;
    readonly after: string | undefined;
  }): Promise<Found<{ readonly movements: readonly BalanceMovement[]; readonly more: boolean }>> {
    return found(async () => {
      const list = await this.stripe.balanceTransactions.list({
        limit: PAGE,
        created: { gte: Math.floor(since / 1_000) },
        expand: ['data.source'],
        ...(after === undefined ? {} : { starting_after: after }),
      });
      return { movements: list.data.map(movementOf), more: list.has_more };
    });
  }

  async carriedBy(payout: string): Promise<Found<{ readonly movements: readonly string[] }>> {
    return found(async () => {
      const movements: string[] = [];
      for await (const { id, type } of this.stripe.balanceTransactions.list({ payout, limit: PAGE })) {
        if (type !== 'payout') movements.push(id);
      }
      return { movements };
    });
  }

  async movement(id: string): Promise<Found<{ readonly movement: BalanceMovement }>> {
    return found(async () => ({
      movement: movementOf(await this.stripe.balanceTransactions.retrieve(id, { expand: ['source'] })),
    }));
  }

  async balance(): Promise<Found<{ readonly sums: ReadonlyMap<string, bigint> }>> {
    return found(async () => {
      const { available, pending } = await this.stripe.balance.retrieve();
      const sums = new Map<string, bigint>();
      for (const { currency, amount } of [...available, ...pending])
        sums.set(currency, (sums.get(currency) ?? 0n) + BigInt(amount));
      return { sums };
    });
  }
}

async function found<What extends object>(read: () => Promise<What>): Promise<Found<What>> {
  try {
    return { kind: 'fetched', ...(await read()) };
  } catch (error) {
    const answer = readFailure(error);
    // A failure is never a fetched object.
    return answer.kind === 'fetched' ? { kind: 'missing' } : answer;
  }
}

function movementOf(of: Stripe.BalanceTransaction): BalanceMovement {
  const source = typeof of.source === 'string' ? undefined : (of.source ?? undefined);
  return {
    id: of.id,
    category: of.reporting_category,
    amount: BigInt(of.amount),
    fee: BigInt(of.fee),
    net: BigInt(of.net),
    currency: of.currency,
    isAvailable: of.status === 'available',
    availableOn: instant(of.available_on * 1_000),
    createdAt: instant(of.created * 1_000),
    source: typeof of.source === 'string' ? of.source : source?.id,
    account: source && 'metadata' in source ? source.metadata?.['account'] : undefined,
    charge: source && 'charge' in source ? idOf(source.charge) : undefined,
  };
}

const idOf = (object: string | { readonly id: string } | null): string | undefined =>
  typeof object === 'string' ? object : object?.id;
