import type { AgentProof, IdentityKind, MessageSignatureRefusal, SignInRefusal } from '@core/agents';
import type { Instant } from '@core/time';
import type { CheckSignIn } from './check-sign-in.js';
import type { CheckSignedRequest } from './check-signed-request.js';
import type { ShownProof } from './used-proofs.store.js';
import type { UsedProofs } from './used-proofs.js';

/** The request a proof came with, as the agent sent it. */
export interface ProvenRequest {
  readonly method: string;
  /** Absolute. */
  readonly url: string;
  /** Headers that a signature may cover, by lower-case name; `payment-signature` has to be here when there is one. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export type ProofRefusal = SignInRefusal | MessageSignatureRefusal;

/** An identity whose holder is there, by a proof that is not used up yet. */
export interface ProvenIdentity {
  readonly kind: IdentityKind;
  readonly subject: string;
  /** Thumbprint of the key that signed for a host. */
  readonly keyId: string | undefined;
  readonly shown: ShownProof;
}

type IdentityCheck =
  | { readonly outcome: 'proven'; readonly identity: ProvenIdentity }
  | { readonly outcome: 'none' }
  | { readonly outcome: 'refused'; readonly reason: ProofRefusal };

interface ProofToCheck {
  readonly provider: string;
  readonly proof: AgentProof;
  readonly request: ProvenRequest;
  /** Names the arrival of the request; only who knows it may show the proof again. */
  readonly attempt?: string | undefined;
  /** Whether the proof has to name this very URL, not just its origin. */
  readonly exactly: boolean;
  /** Whether a host is known, before its directory is asked. */
  readonly admits: (host: string) => Promise<boolean>;
  readonly now: Instant;
}

/** Tells which wallet or host a request comes from. A sign-in is looked at before a signature. */
export class ProveIdentity {
  constructor(
    private readonly signIns: CheckSignIn,
    private readonly signatures: CheckSignedRequest,
    private readonly used: UsedProofs,
  ) {}

  async check(input: ProofToCheck): Promise<IdentityCheck> {
    if (input.proof.signInWithX !== undefined) return this.#signIn(input, input.proof.signInWithX);
    return this.#signature(input);
  }

  /**
   * Uses a proof up. Undefined when it could be used, else why not.
   * @throws Fault unavailable when the database does not answer
   */
  async use({ shown }: ProvenIdentity, now: Instant): Promise<ProofRefusal | undefined> {
    if (await this.used.claim(shown, now)) return undefined;
    return shown.kind === 'sign-in' ? 'invalid_siwx_nonce' : 'signature_replayed';
  }

  #signIn({ provider, request, exactly, attempt, now }: ProofToCheck, header: string): IdentityCheck {
    const check = this.signIns.run({ provider, header, url: request.url, exactly, now });
    if (!check.ok) return { outcome: 'refused', reason: check.reason };
    const { wallet, digest, expiresAt } = check;
    const shown: ShownProof = { provider, kind: 'sign-in', digest, attempt, expiresAt };
    return { outcome: 'proven', identity: { kind: 'wallet', subject: wallet, keyId: undefined, shown } };
  }

  async #signature({ provider, proof, request, exactly, attempt, admits, now }: ProofToCheck): Promise<IdentityCheck> {
    if (proof.signature === undefined || proof.signatureInput === undefined) return { outcome: 'none' };
    const headers = {
      ...proof.covered,
      ...request.headers,
      signature: proof.signature,
      'signature-input': proof.signatureInput,
      ...(proof.signatureAgent === undefined ? {} : { 'signature-agent': proof.signatureAgent }),
    };
    const signed = { method: request.method, url: request.url, headers };
    const check = await this.signatures.run(signed, { nameTarget: exactly, admits }, now);
    if (check.outcome !== 'signed') return check;
    const { host, keyId, digest, expiresAt } = check;
    const shown: ShownProof = { provider, kind: 'message-signature', digest, attempt, expiresAt };
    return { outcome: 'proven', identity: { kind: 'directory', subject: host, keyId, shown } };
  }
}
