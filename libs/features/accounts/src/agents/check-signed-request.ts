import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import {
  AGENT_TAG,
  agentHostOf,
  type CoveredComponent,
  judgeCovered,
  judgeParameters,
  type KeyDirectory,
  keyHolds,
  type MessageSignatureRefusal,
  SIGNATURE_SECONDS,
} from '@core/agents';
import { addMs, type Instant } from '@core/time';
import { httpbis, type SignatureParameters } from 'http-message-signatures';

/** A request as the agent sent it; names of headers are lower case. */
interface SignedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

type SignedRequestCheck =
  | {
      readonly outcome: 'signed';
      /** Host that publishes the key, as `agentHostOf` gives it. */
      readonly host: string;
      /** Thumbprint of the key. */
      readonly keyId: string;
      readonly digest: Buffer;
      readonly expiresAt: Instant;
    }
  /** No signature here says that it is an agent's. */
  | { readonly outcome: 'none' }
  | { readonly outcome: 'refused'; readonly reason: MessageSignatureRefusal };

interface SignedRequestRules {
  /** Whether the signature has to name the target, not just its authority. */
  readonly nameTarget: boolean;
  /** Whether an agent of this host is known at all: asked before its directory is. */
  readonly admits: (host: string) => Promise<boolean>;
}

/** Longest header of signatures that is read. */
const MOST_CHARACTERS = 4096;

/** How long the use of a signature is remembered: longer than it could be taken. */
const REMEMBERED_MS = 4 * SIGNATURE_SECONDS * 1000;

/**
 * Checks the signature of an agent on a request (RFC 9421, ed25519, tag `web-bot-auth`) but for whether it was used before, which
 * is the caller's to claim. The public library reads the headers and writes the base; times and keys are judged here.
 */
export class CheckSignedRequest {
  constructor(private readonly directory: KeyDirectory) {}

  async run(request: SignedRequest, rules: SignedRequestRules, now: Instant): Promise<SignedRequestCheck> {
    const { signature, 'signature-input': input } = request.headers;
    if (signature === undefined || input === undefined) return { outcome: 'none' };
    if (signature.length > MOST_CHARACTERS || input.length > MOST_CHARACTERS) return refused('invalid_signature');
    const look = new Look(this.directory, request, rules, now);
    let valid: boolean | null;
    try {
      valid = await httpbis.verifyMessage(
        {
          keyLookup: (parameters) => look.key(parameters),
          componentParser: (name, parameters) => look.component(name, [...parameters.keys()]),
          // The library would judge times by the clock of the machine: they are judged by `now`, before any key is fetched.
          tolerance: Infinity,
          notAfter: Infinity,
        },
        { method: request.method, url: request.url, headers: { ...request.headers } },
      );
    } catch {
      await look.looked;
      // What is left is a header that is no structured field, or a component that the request does not have.
      return input.includes(AGENT_TAG) ? refused(look.refusal ?? 'invalid_signature') : { outcome: 'none' };
    }
    await look.looked;
    return look.answer(valid === true);
  }
}

const refused = (reason: MessageSignatureRefusal): SignedRequestCheck => ({ outcome: 'refused', reason });

/** One look at one request, as the library goes through its signatures. */
class Look {
  agents = 0;
  refusal: MessageSignatureRefusal | undefined;
  /** The look for the key. What it throws is not the agent's doing, and not the library's to swallow. */
  looked: Promise<KeyObject | undefined> | undefined;
  #signed: Extract<SignedRequestCheck, { outcome: 'signed' }> | undefined;
  readonly #covered: CoveredComponent[] = [];

  constructor(
    private readonly directory: KeyDirectory,
    private readonly request: SignedRequest,
    private readonly rules: SignedRequestRules,
    private readonly now: Instant,
  ) {}

  component(name: string, parameters: readonly string[]): null {
    this.#covered.push({ name, parameters });
    return null;
  }

  /** The key a signature names; null: the signature is not looked at further. */
  async key(parameters: SignatureParameters) {
    if (parameters.tag !== AGENT_TAG) return null;
    this.agents += 1;
    // The library asks for the keys of all signatures before it goes on with any: after this the count is complete.
    await Promise.resolve();
    if (this.agents > 1) return this.#refuse('invalid_signature');
    const fresh = judgeParameters(
      {
        created: parameters.created instanceof Date ? parameters.created.getTime() / 1000 : undefined,
        expires: parameters.expires,
        keyid: parameters.keyid,
        alg: parameters.alg,
      },
      this.now,
    );
    if (typeof fresh === 'string') return this.#refuse(fresh);
    const host = agentHostOf(this.request.headers['signature-agent'] ?? '');
    if (host === undefined) return this.#refuse('signature_agent_unknown');
    this.looked = this.#publishedKey(host, fresh.keyid);
    const key = await this.looked;
    if (!key) return null;
    return {
      id: fresh.keyid,
      algs: ['ed25519'],
      verify: (base: Buffer, signature: Buffer) =>
        Promise.resolve(this.#verify(key, { base, signature, host, keyId: fresh.keyid, nonce: parameters.nonce })),
    };
  }

  async #publishedKey(host: string, keyid: string): Promise<KeyObject | undefined> {
    if (!(await this.rules.admits(host))) return void this.#refuse('signature_agent_unknown');
    const answer = await this.directory.keysOf(host);
    if (answer.outcome === 'unavailable') return void this.#refuse('key_directory_unavailable');
    const published = answer.keys.get(keyid);
    if (!published || !keyHolds(published, this.now)) return void this.#refuse('invalid_signature');
    return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: published.x }, format: 'jwk' });
  }

  #verify(
    key: KeyObject,
    given: { base: Buffer; signature: Buffer; host: string; keyId: string; nonce: string | undefined },
  ): boolean {
    const { 'payment-signature': payment } = this.request.headers;
    this.refusal = judgeCovered(this.#covered, {
      paymentSignature: payment !== undefined,
      nameTarget: this.rules.nameTarget,
    });
    if (this.refusal !== undefined || !verify(null, given.base, key, given.signature)) return false;
    const { host, keyId, nonce } = given;
    // Without a nonce of the agent's, what it signed is its own name: the base holds time, key and all components.
    const once = typeof nonce === 'string' ? `nonce ${nonce}` : given.base;
    const digest = createHash('sha256').update(`${host} ${keyId} `).update(once).digest();
    this.#signed = { outcome: 'signed', host, keyId, digest, expiresAt: addMs(this.now, REMEMBERED_MS) };
    return true;
  }

  answer(valid: boolean): SignedRequestCheck {
    if (valid && this.#signed && this.refusal === undefined) return this.#signed;
    if (this.agents === 0) return { outcome: 'none' };
    return refused(this.refusal ?? 'invalid_signature');
  }

  #refuse(reason: MessageSignatureRefusal): null {
    this.refusal ??= reason;
    return null;
  }
}
