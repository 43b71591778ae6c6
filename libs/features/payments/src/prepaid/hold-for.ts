import { randomUUID } from 'node:crypto';
import { Fault } from '@core/faults';
import { assetId } from '@core/money';
import { SERVICE_SECONDS } from '@core/payments';
import type { KnownAgent } from '@features/accounts';
import type { HoldToTake } from '@features/wallet';
import type { CheckDecision } from '../gate/gate-decisions.js';
import type { RequestPrice } from '../gate/price-request.js';
import { requestDigest } from '../gate/quote-sealer.js';
import { conflict, withoutQuery } from '../gate/refusals.js';
import type { Asked } from '../gate/way-to-pay.js';
import { CREDIT_KEY, creditFingerprint } from './hold-view.js';

/** The hold for a request of an agent that is known. */
export const holdFor = (
  { provider, request, quoted }: Pick<Asked, 'provider' | 'request' | 'quoted'>,
  agent: KnownAgent,
  price: Pick<RequestPrice, 'meterId' | 'priceId' | 'amount' | 'asset'>,
): HoldToTake => ({
  provider,
  account: agent.account,
  asset: assetId(price.asset),
  amount: price.amount,
  key:
    request.idempotencyKey === undefined ? `once:${request.attempt ?? randomUUID()}` : `key:${request.idempotencyKey}`,
  fingerprint: requestDigest(quoted),
  ttlSeconds: SERVICE_SECONDS,
  meter: { id: price.meterId, name: quoted.meter },
  quantity: quoted.quantity,
  priceId: price.priceId,
  payer: agent.by.subject,
  agentKey: agent.by.kind === 'key' ? agent.by.keyId : undefined,
  resource: withoutQuery(quoted.url),
  budget: budgetOf(agent, price.asset),
});

/** The same for a request that is paid on credit by the wire. `ceiling`: what its agent agreed to at most. */
export function creditHoldFor(ceiling: bigint, ...terms: Parameters<typeof holdFor>): HoldToTake {
  const hold = holdFor(...terms);
  return { ...hold, key: `${CREDIT_KEY}${hold.key}`, fingerprint: creditFingerprint(hold.fingerprint, ceiling) };
}

/** Why an agent that is known may not have anything charged to its account; undefined when it may. */
export function whyNotCharged({ scopes, isSuspended }: Pick<KnownAgent, 'scopes' | 'isSuspended'>): Fault | undefined {
  if (!scopes.includes('pay'))
    return new Fault('forbidden', 'This key may not pay: use one with the scope "pay".', { reason: 'missing_scope' });
  if (isSuspended)
    return new Fault(
      'forbidden',
      'The account is suspended: a statement of it is past due. It is good again once POST /v1/statements/:id/pay, a card or a bank has paid it.',
      { reason: 'account_suspended' },
    );
  return undefined;
}

/** What the agent's key may spend of an asset. */
export const budgetOf = (agent: KnownAgent, asset: string): NonNullable<HoldToTake['budget']> =>
  agent.budgets.filter((budget) => budget.asset === asset).map(({ span, amount }) => ({ window: span, amount }));

export const keyReused = (): CheckDecision =>
  conflict(
    'idempotency_key_reused',
    'This Idempotency-Key was used for another request. Use a new key for a new request.',
  );
