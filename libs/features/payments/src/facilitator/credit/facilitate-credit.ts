import { createHash } from 'node:crypto';
import { type Clock, epochSeconds } from '@core/time';
import {
  type AttestationClaims,
  BATCH_SETTLEMENT,
  CREDIT_NETWORK,
  CREDIT_VERSION,
  isPresentable,
  judgeAttestation,
  type SettlementResponse,
  type VerifyResponse,
} from '@core/x402';
import type { Holds } from '@features/wallet';
import type { Writer } from '@platform/database';
import type { AttestationStore, StoredAttestation } from '../../credit/attestations.store.js';
import { type CreditAuthority, resourceName } from '../../credit/credit-authority.js';
import { settlementOfHold } from '../../prepaid/hold-view.js';
import type { FacilitatedScheme, SupportedScheme } from '../facilitated-scheme.js';
import { type FacilitatedCredit, readFacilitatedCredit } from './facilitated-credit.js';

/** What an attestation that a server presents here is bound to: nothing else may present it then. */
const SETTLED_HERE = createHash('sha256').update('facilitator\n').digest();

interface NotTaken {
  readonly reason: string;
  readonly message: string;
}

/** An attestation that a server with a provider's key may settle. */
interface Attested {
  readonly claims: AttestationClaims;
  readonly attestation: StoredAttestation;
}

/**
 * Scheme `batch-settlement` on credit, for servers that serve by themselves. Verify looks at the keys, the claims and the row; settle charges
 * the hold, once for each `jti`. One flight per `jti` while it serves is the server's to keep.
 */
export class FacilitateCredit implements FacilitatedScheme {
  readonly scheme = BATCH_SETTLEMENT;
  readonly network = CREDIT_NETWORK;

  constructor(
    private readonly authority: CreditAuthority,
    private readonly store: AttestationStore,
    private readonly holds: Holds,
    private readonly writer: Writer,
    private readonly clock: Clock,
    private readonly publicUrl: string,
  ) {}

  async verify(body: unknown, provider: string | undefined): Promise<VerifyResponse> {
    const invalid = ({ reason, message }: NotTaken, payer?: string): VerifyResponse => ({
      isValid: false,
      invalidReason: reason,
      invalidMessage: message,
      ...(payer === undefined ? {} : { payer }),
    });
    const found = await this.#find(body, provider);
    if ('reason' in found) return invalid(found);
    const { claims, attestation } = found;
    const payer = attestation.subject;
    if (attestation.presented)
      return invalid({ reason: 'attestation_invalid', message: 'it was presented before' }, payer);
    if (!isPresentable(claims, epochSeconds(this.clock.now())))
      return invalid({ reason: 'attestation_expired', message: 'it may no longer be presented' }, payer);
    const hold = attestation.stillKnown ? await this.holds.find(attestation.hold) : undefined;
    if (hold?.state === 'held') return { isValid: true, payer, extra: { commitmentId: claims.jti } };
    return hold?.state === 'expired'
      ? invalid({ reason: 'attestation_expired', message: 'what it promises is no longer set aside' }, payer)
      : invalid({ reason: 'attestation_revoked', message: 'what it promises was taken back' }, payer);
  }

  async settle(body: unknown, provider: string | undefined): Promise<SettlementResponse> {
    const failed = ({ reason, message }: NotTaken, payer?: string): SettlementResponse => ({
      success: false,
      errorReason: reason,
      errorMessage: message,
      ...(payer === undefined ? {} : { payer }),
      transaction: '',
      network: CREDIT_NETWORK,
    });
    const found = await this.#find(body, provider);
    if ('reason' in found) return failed(found);
    const { attestation, amount } = found;
    const payer = attestation.subject;
    const refusal = await this.#present(attestation);
    if (refusal) return failed(refusal, payer);
    const captured = await this.holds.capture({
      provider: attestation.provider,
      hold: attestation.hold,
      amount,
      quantity: '1',
    });
    switch (captured.outcome) {
      case 'captured':
      case 'already':
        if (captured.hold.captured === amount) return settlementOfHold(captured.hold, this.publicUrl);
        return failed({ reason: 'settle_conflict', message: 'it was settled with another amount before' }, payer);
      case 'ended':
        return captured.hold.state === 'expired'
          ? failed({ reason: 'hold_expired', message: 'what it promises is no longer set aside' }, payer)
          : failed({ reason: 'revoked', message: 'what it promises was let go' }, payer);
      case 'changed':
      case 'unknown':
        return failed({ reason: 'attestation_invalid', message: 'what it promises is not here' }, payer);
    }
  }

  supported(): Promise<SupportedScheme> {
    const extra = { version: CREDIT_VERSION, authority: this.authority.origin };
    return Promise.resolve({
      kinds: [{ x402Version: 2, scheme: this.scheme, network: this.network, extra }],
      signers: [],
    });
  }

  /** Marks it as presented here, once; undefined when it is. What was presented in time is settled until its hold ends. */
  async #present({ id }: StoredAttestation): Promise<NotTaken | undefined> {
    const now = this.clock.now();
    return this.writer.transaction(async (tx) => {
      const attestation = await this.store.lock(tx, id, now);
      if (!attestation) return { reason: 'attestation_invalid', message: 'it is not known here' };
      const { presented } = attestation;
      if (presented) {
        return presented.binding.equals(SETTLED_HERE)
          ? undefined
          : { reason: 'settle_conflict', message: 'it was presented at a gate' };
      }
      if (!attestation.stillKnown) return { reason: 'revoked', message: 'what its agent was known by no longer holds' };
      if (now >= attestation.holdExpiresAt)
        return { reason: 'hold_expired', message: 'what it promises is no longer set aside' };
      await this.store.present(tx, id, { binding: SETTLED_HERE, attempt: undefined }, now);
      return undefined;
    });
  }

  async #find(
    body: unknown,
    provider: string | undefined,
  ): Promise<NotTaken | (Attested & { readonly amount: bigint })> {
    const read = readFacilitatedCredit(body);
    if (!read.ok) return read;
    const { payment } = read;
    if (provider === undefined || payment.payTo !== provider) {
      return { reason: 'unauthorized_server', message: 'ask with a key of the provider that payTo names' };
    }
    const claims = await this.authority.claimsOf(payment.attestation);
    if (!claims) return { reason: 'attestation_invalid', message: 'it is not signed by a key that is published here' };
    const verdict = judgeAttestation(claims, {
      authority: this.authority.origin,
      provider,
      asset: payment.asset,
      price: payment.amount,
      resources: resourcesOf(payment),
    });
    if (!verdict.ok) return verdict;
    const attestation = await this.store.find(claims.jti, this.clock.now());
    if (attestation?.provider !== provider) return { reason: 'attestation_invalid', message: 'it is not known here' };
    return { claims, attestation, amount: payment.amount };
  }
}

const resourcesOf = ({ resource }: FacilitatedCredit): string[] =>
  resource === undefined ? [] : [resourceName(resource), resourceName(resource.split(/[?#]/, 1)[0] ?? '')];
