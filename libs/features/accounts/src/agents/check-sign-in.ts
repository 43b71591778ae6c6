import { createHash } from 'node:crypto';
import {
  placeOf,
  readSignIn,
  signInProblem,
  type SignInRefusal,
  signInText,
  type WalletSignatures,
} from '@core/agents';
import type { Instant } from '@core/time';
import type { SignInNonces } from './sign-in-nonces.js';

type SignInCheck =
  | {
      readonly ok: true;
      /** 0x-prefixed, lower case. */
      readonly wallet: string;
      readonly digest: Buffer;
      readonly expiresAt: Instant;
    }
  | { readonly ok: false; readonly reason: SignInRefusal };

const refused = (reason: SignInRefusal): SignInCheck => ({ ok: false, reason });

/** Checks a `SIGN-IN-WITH-X` header but for whether it was used before, which is the caller's to claim. */
export class CheckSignIn {
  constructor(
    private readonly nonces: SignInNonces,
    private readonly signatures: WalletSignatures,
  ) {}

  /** `exactly`: the proof has to name this very URL, not just its origin. */
  run(input: { provider: string; header: string; url: string; exactly: boolean; now: Instant }): SignInCheck {
    const reading = readSignIn(input.header);
    if (!reading.ok) return refused('invalid_siwx_payload');
    const { signIn } = reading;
    const place = placeOf(input.url, input.exactly);
    if (!place) return refused('invalid_siwx_uri_mismatch');
    const problem = signInProblem(signIn, place, input.now);
    if (problem) return refused(problem);
    const until = this.nonces.holdsUntil(input.provider, signIn.nonce, input.now);
    if (until === undefined) return refused('invalid_siwx_nonce');
    const wallet = signIn.address.toLowerCase();
    if (!this.signatures.signed(signInText(signIn), signIn.signature, wallet)) return refused('invalid_siwx_signature');
    // Agents that were shown the same stored challenge sign the same nonce: it is used up per wallet.
    const digest = createHash('sha256').update(`${signIn.nonce} ${wallet}`).digest();
    return { ok: true, wallet, digest, expiresAt: until };
  }
}
