import { createHash } from 'node:crypto';
import type { AgentProof } from '@core/agents';
import { Fault } from '@core/faults';
import { assetId } from '@core/money';
import { addMs, type Clock, type Instant } from '@core/time';
import { ATTESTATION_SECONDS, ATTESTED_HOLD_SECONDS } from '@core/x402';
import type { AuthenticateAgent, KnownAgent, OfferSignIn, ProvenRequest } from '@features/accounts';
import type { Holds, StoredHold } from '@features/wallet';
import { withoutQuery } from '../gate/refusals.js';
import { budgetOf, whyNotCharged } from '../prepaid/hold-for.js';
import { ATTESTED_KEY, attestationIdOf, creditFingerprint } from '../prepaid/hold-view.js';
import { lacking } from '../prepaid/prepaid-way.js';
import { topUpUrl } from '../topups/top-up.js';
import type { AttestationStore, IssuedAttestation } from './attestations.store.js';
import { type CreditAuthority, resourceName } from './credit-authority.js';

/** A request for an attestation, as it came. */
export interface CreditToAuthorize {
  /** Who sells: the audience. */
  readonly provider: string;
  /** Most that may be charged, atomic units. */
  readonly amount: bigint;
  /** Asset id. */
  readonly asset: string;
  /** Absolute URL that will be asked for. */
  readonly resource: string;
  /** Upper case; absent: any. */
  readonly method: string | undefined;
  /** The same key for the same terms gives the same attestation. */
  readonly idempotencyKey: string;
  readonly proof: AgentProof;
  readonly proven: ProvenRequest;
}

export interface IssuedCredit {
  /** `cra_…`: the `jti`. */
  readonly id: string;
  /** Compact JWS. */
  readonly attestation: string;
  readonly expiresAt: Instant;
  readonly holdExpiresAt: Instant;
}

/**
 * Sets value aside on an account and attests it: who presents the attestation at the gate need not be known there. The hold comes
 * first; one whose attestation was not written, because we died, is attested when the same is asked for again, or ends by itself.
 */
export class AuthorizeCredit {
  constructor(
    private readonly agents: Pick<AuthenticateAgent, 'run'>,
    private readonly signIn: Pick<OfferSignIn, 'run'> | undefined,
    private readonly holds: Holds,
    private readonly store: AttestationStore,
    private readonly authority: CreditAuthority | undefined,
    private readonly networks: () => readonly string[],
    private readonly clock: Clock,
    private readonly publicUrl: string,
  ) {}

  /**
   * @throws Fault not_found (`no_signing_key`), unauthenticated for an agent that is not known, forbidden (`missing_scope`), conflict
   *   (`idempotency_conflict`), unprocessable (`insufficient_credits`, `spend_limit_reached`), unavailable
   */
  async run(asked: CreditToAuthorize): Promise<IssuedCredit> {
    const { authority } = this;
    if (!authority) {
      throw new Fault('not_found', 'No attestations are issued here: no signing key is set.', {
        reason: 'no_signing_key',
      });
    }
    const agent = await this.#agent(asked);
    const hold = await this.#hold(asked, agent);
    const issued = attestationOf(hold, asked, agent);
    await this.store.issue(issued);
    const { id, expiresAt, holdExpiresAt } = issued;
    return { id, attestation: authority.attest(issued), expiresAt, holdExpiresAt };
  }

  async #agent({ provider, proof, proven }: CreditToAuthorize): Promise<KnownAgent> {
    const now = this.clock.now();
    const agent = await this.agents.run({ provider, proof, request: proven, now });
    if (agent.outcome === 'agent') {
      const refusal = whyNotCharged(agent);
      if (refusal) throw refusal;
      return agent;
    }
    const signIn = this.signIn?.run({ provider, url: proven.url, networks: this.networks(), now });
    throw new Fault(
      'unauthenticated',
      agent.outcome === 'none'
        ? 'Show who asks: by an agent key, a sign-in of a wallet (see signIn), or a signature on the request (RFC 9421).'
        : agent.message,
      { reason: agent.outcome === 'none' ? 'missing_proof' : agent.reason, ...(signIn ? { details: { signIn } } : {}) },
    );
  }

  async #hold(asked: CreditToAuthorize, agent: KnownAgent): Promise<StoredHold> {
    const { provider, amount, asset, resource, idempotencyKey } = asked;
    const taken = await this.holds.take({
      provider,
      account: agent.account,
      asset: assetId(asset),
      amount,
      key: `${ATTESTED_KEY}${idempotencyKey}`,
      fingerprint: fingerprintOf(asked, agent),
      ttlSeconds: ATTESTED_HOLD_SECONDS,
      quantity: '1',
      payer: agent.by.subject,
      agentKey: agent.by.kind === 'key' ? agent.by.keyId : undefined,
      resource: withoutQuery(resource),
      budget: budgetOf(agent, asset),
    });
    switch (taken.outcome) {
      case 'held':
      case 'exists':
        return taken.hold;
      case 'conflict':
        throw new Fault('conflict', 'This idempotencyKey was used for other terms. Use a new key for a new purchase.', {
          reason: 'idempotency_conflict',
        });
      case 'insufficient':
        throw new Fault('unprocessable', 'The account has less than this left, in balance and on credit.', {
          reason: 'insufficient_credits',
          details: {
            ...lacking({ amount, asset }, taken.available),
            topUp: { url: topUpUrl(this.publicUrl), provider, account: agent.account },
          },
        });
      case 'limit':
        throw new Fault('unprocessable', 'A spending limit would be passed.', {
          reason: 'spend_limit_reached',
          details: { ...lacking({ amount, asset }, taken.left), limit: taken.limit.id },
        });
    }
  }
}

/** All that the attestation will say beside times and names. */
const fingerprintOf = ({ amount, asset, resource, method }: CreditToAuthorize, { by }: KnownAgent): string =>
  creditFingerprint(
    createHash('sha256')
      .update(JSON.stringify(['attestation', asset, resource, method ?? '', by.kind, by.subject]))
      .digest('base64url'),
    amount,
  );

/** Follows from the hold and the terms alone, so that it is the same however often it is made. */
const attestationOf = (
  hold: StoredHold,
  { amount, asset, resource, method }: CreditToAuthorize,
  { by }: KnownAgent,
): IssuedAttestation => ({
  id: attestationIdOf(hold.id),
  provider: hold.provider,
  account: hold.account,
  hold: hold.id,
  knownBy: by.kind,
  subject: by.subject,
  resource: resourceName(resource),
  method,
  asset: assetId(asset),
  amount,
  issuedAt: hold.takenAt,
  expiresAt: addMs(hold.takenAt, ATTESTATION_SECONDS * 1000),
  holdExpiresAt: addMs(hold.takenAt, ATTESTED_HOLD_SECONDS * 1000),
});
