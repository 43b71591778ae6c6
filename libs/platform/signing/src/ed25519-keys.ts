import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { canonicalJson, DocumentSigner, type Json } from '@core/records';

/** A public key as it is published (RFC 8037). `kid` is the DID URL that signatures name. */
export interface PublishedKey {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  readonly x: string;
  readonly kid: string;
  readonly alg: 'EdDSA';
  readonly use: 'sig';
}

interface Key {
  readonly secret: KeyObject;
  readonly published: PublishedKey;
}

/** What stands before the 32 bytes of an Ed25519 private key in PKCS #8 (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** `did:web:<host>` of a URL; the colon before a port is written `%3A`. */
const didOf = (publicUrl: string): string => `did:web:${new URL(publicUrl).host.replace(':', '%3A')}`;

/**
 * Ed25519 keys from their 32 bytes in hex. The first signs; all are published, so that what an earlier first key signed can
 * still be checked.
 */
export class Ed25519Keys extends DocumentSigner {
  readonly keyId: string;
  readonly #first: Key;
  readonly #keys: readonly Key[];
  readonly #did: string;

  /** @throws Error for an empty list */
  constructor(secrets: readonly string[], publicUrl: string) {
    super();
    this.#did = didOf(publicUrl);
    this.#keys = secrets.map((secret) => keyOf(secret, this.#did));
    const [first] = this.#keys;
    if (!first) throw new Error('no signing key was given');
    this.#first = first;
    this.keyId = first.published.kid;
  }

  sign(document: Json, type?: string): string {
    const header =
      type === undefined ? { alg: 'EdDSA', kid: this.keyId } : { alg: 'EdDSA', kid: this.keyId, typ: type };
    const text = `${base64url(JSON.stringify(header))}.${base64url(canonicalJson(document))}`;
    return `${text}.${sign(null, Buffer.from(text), this.#first.secret).toString('base64url')}`;
  }

  /** The document at `/.well-known/jwks.json`. */
  jwks(): { readonly keys: readonly PublishedKey[] } {
    return { keys: this.#keys.map(({ published }) => published) };
  }

  /** The document at `/.well-known/did.json`, where did:web looks for it. */
  didDocument(): Json {
    const methods = this.#keys.map(({ published }) => ({
      id: published.kid,
      type: 'JsonWebKey2020',
      controller: this.#did,
      publicKeyJwk: { kty: published.kty, crv: published.crv, x: published.x, alg: published.alg },
    }));
    return {
      '@context': ['https://www.w3.org/ns/did/v1', 'https://w3id.org/security/suites/jws-2020/v1'],
      id: this.#did,
      verificationMethod: methods,
      assertionMethod: methods.map(({ id }) => id),
    };
  }
}

function keyOf(hex: string, did: string): Key {
  const secret = createPrivateKey({
    key: Buffer.concat([PKCS8, Buffer.from(hex, 'hex')]),
    format: 'der',
    type: 'pkcs8',
  });
  const { x = '' } = createPublicKey(secret).export({ format: 'jwk' });
  // The thumbprint of RFC 7638: the required members, in the order of their names.
  const thumbprint = createHash('sha256')
    .update(canonicalJson({ crv: 'Ed25519', kty: 'OKP', x }))
    .digest('base64url');
  return {
    secret,
    published: { kty: 'OKP', crv: 'Ed25519', x, kid: `${did}#${thumbprint}`, alg: 'EdDSA', use: 'sig' },
  };
}

const base64url = (text: string): string => Buffer.from(text, 'utf8').toString('base64url');
