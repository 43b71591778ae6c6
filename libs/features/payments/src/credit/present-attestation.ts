import { type Quote, SERVICE_SECONDS } from '@core/payments';
import { epochSeconds, type Clock } from '@core/time';
import { type AttestationClaims, type CreditError, isPresentable } from '@core/x402';
import type { AssignHold, StoredHold } from '@features/wallet';
import type { Writer } from '@platform/database';
import { withoutQuery } from '../gate/refusals.js';
import type { AttestationStore, Presentation, StoredAttestation } from './attestations.store.js';

export type PresentOutcome =
  | { readonly outcome: 'presented'; readonly hold: StoredHold }
  /** For this very purchase, before. */
  | { readonly outcome: 'again'; readonly attestation: StoredAttestation }
  | { readonly outcome: 'refused'; readonly reason: CreditError; readonly message: string };

const refused = (reason: CreditError, message: string): PresentOutcome => ({ outcome: 'refused', reason, message });

/**
 * Takes an attestation for one purchase, once, however many present it at the same time: the row is locked, judged and marked, and its
 * hold tied to the call, in one transaction. What is refused leaves it as it was.
 */
export class PresentAttestation {
  constructor(
    private readonly writer: Writer,
    private readonly store: AttestationStore,
    private readonly assign: AssignHold,
    private readonly clock: Clock,
  ) {}

  /** `claims`: of an attestation whose signature holds and that covers the quote. */
  async run(claims: AttestationClaims, quote: Quote, presentation: Presentation): Promise<PresentOutcome> {
    const now = this.clock.now();
    return this.writer.transaction(async (tx) => {
      const attestation = await this.store.lock(tx, claims.jti, now);
      if (attestation?.provider !== quote.provider) return refused('attestation_invalid', 'it is not known here');
      const { presented } = attestation;
      if (presented) {
        return presented.binding.equals(presentation.binding)
          ? { outcome: 'again', attestation }
          : refused('attestation_invalid', 'it was presented for another request before: get a new one');
      }
      if (!isPresentable(claims, epochSeconds(now)))
        return refused('attestation_expired', 'it may no longer be presented');
      if (quote.expiresAt <= epochSeconds(now)) return refused('price_not_acceptable', 'the offer has expired');
      if (!attestation.stillKnown) return refused('attestation_revoked', 'what its agent was known by no longer holds');
      const assigned = await this.assign.within(tx, {
        provider: quote.provider,
        hold: attestation.hold,
        amount: quote.amount,
        meter: { id: quote.meterId, name: quote.request.meter },
        quantity: quote.request.quantity,
        priceId: quote.priceId,
        resource: withoutQuery(quote.request.url),
        ttlSeconds: SERVICE_SECONDS,
      });
      switch (assigned.outcome) {
        case 'beyond':
          return refused('price_not_acceptable', 'the price is more than it promises');
        case 'limit':
          return refused('price_not_acceptable', 'a limit of the account on this meter would be passed');
        case 'unknown':
          return refused('attestation_invalid', 'what it promises is not here');
        case 'ended':
          return assigned.hold.state === 'released'
            ? refused('attestation_revoked', 'what it promises was let go')
            : refused('attestation_expired', 'what it promises is no longer set aside');
        case 'assigned':
          await this.store.present(tx, attestation.id, presentation, now);
          return { outcome: 'presented', hold: assigned.hold };
      }
    });
  }
}
