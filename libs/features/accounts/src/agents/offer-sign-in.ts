import { placeOf, type SignInChallenge, signInChallenge } from '@core/agents';
import { Fault } from '@core/faults';
import type { Instant } from '@core/time';
import type { SignInNonces } from './sign-in-nonces.js';

/** Asks wallets to sign in: what a challenge carries under `sign-in-with-x`. */
export class OfferSignIn {
  constructor(private readonly nonces: SignInNonces) {}

  /**
   * `url`: the absolute URL that the proof is going to be sent to. `networks`: CAIP-2. Reads and writes nothing.
   * @throws Fault invalid_request for a URL that is none
   */
  run(input: {
    provider: string;
    url: string;
    networks: readonly string[];
    statement?: string | undefined;
    now: Instant;
  }): SignInChallenge {
    const place = placeOf(input.url);
    if (!place) throw new Fault('invalid_request', 'url: must be an absolute URL.', { reason: 'invalid_url' });
    const nonce = this.nonces.issue(input.provider, input.now);
    return signInChallenge(place, { ...input, nonce }, input.now);
  }
}
