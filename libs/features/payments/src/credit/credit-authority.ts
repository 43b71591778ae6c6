import { createHash } from 'node:crypto';
import { type DocumentSigner, jsonOf } from '@core/records';
import { epochSeconds } from '@core/time';
import { ATTESTATION_TYPE, type AttestationClaims, attestationClaimsOf, attestationDocument } from '@core/x402';
import type { IssuedAttestation } from './attestations.store.js';

/** Checks a compact JWS against the keys that are published here. */
export type CheckOwnSignature = (
  jws: string,
) => Promise<
  | { readonly ok: true; readonly type: string | undefined; readonly document: unknown }
  | { readonly ok: false; readonly message: string }
>;

/** What a URL is named by in claims: it may carry personal data, which a digest does not tell. */
export const resourceName = (url: string): string => `sha256:${createHash('sha256').update(url).digest('base64url')}`;

/** Signs attestations of credit and knows its own again, without a look at anything but its keys. */
export class CreditAuthority {
  /** Origin that `iss` and offers name. */
  readonly origin: string;

  constructor(
    publicUrl: string,
    private readonly signer: DocumentSigner,
    private readonly check: CheckOwnSignature,
  ) {
    this.origin = originOf(publicUrl);
  }

  /** The same attestation gives the same text while the key is the same. */
  attest(issued: IssuedAttestation): string {
    const claims: AttestationClaims = {
      iss: this.origin,
      sub: issued.account,
      aud: issued.provider,
      resource: issued.resource,
      method: issued.method,
      amount: issued.amount,
      asset: issued.asset,
      jti: issued.id,
      iat: epochSeconds(issued.issuedAt),
      exp: epochSeconds(issued.expiresAt),
      holdExp: epochSeconds(issued.holdExpiresAt),
    };
    return this.signer.sign(jsonOf(attestationDocument(claims)), ATTESTATION_TYPE);
  }

  /** The claims of an attestation of ours; undefined for any other text. */
  async claimsOf(jws: string): Promise<AttestationClaims | undefined> {
    const checked = await this.check(jws);
    return checked.ok && checked.type === ATTESTATION_TYPE ? attestationClaimsOf(checked.document) : undefined;
  }
}

export const originOf = (publicUrl: string): string => publicUrl.replace(/\/$/, '');
