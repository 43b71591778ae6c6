import { parseAtomic } from '@core/money';
import { z } from 'zod';
import type { CreditError } from './credit-offer.js';
import { absentOr, atomicText, text } from './wire-values.js';

/** Media type of an attestation without `application/`: nothing else that is signed here can be taken for one. */
export const ATTESTATION_TYPE = 'credit-attestation+jwt';

/** Seconds for which an attestation may be presented. */
export const ATTESTATION_SECONDS = 300;

/** Seconds for which the value stays set aside: what was presented in time has time to be served and settled. */
export const ATTESTED_HOLD_SECONDS = 900;

/** What an attestation says. Times are seconds since the epoch. */
export interface AttestationClaims {
  /** Origin of the authority. */
  readonly iss: string;
  /** `acct_…` */
  readonly sub: string;
  /** `prv_…`: who may take it. */
  readonly aud: string;
  /** `sha256:` and the digest in base64url of the URL it is for. */
  readonly resource: string;
  /** Upper case; absent: any. */
  readonly method?: string | undefined;
  /** Most that may be charged, atomic units. */
  readonly amount: bigint;
  /** Asset id. */
  readonly asset: string;
  /** `cra_…` */
  readonly jti: string;
  readonly iat: number;
  /** Until when it may be presented, and until when what it promises is set aside. */
  readonly exp: number;
  readonly holdExp: number;
}

const seconds = z.number().int().min(0);

const claimsSchema = z.object({
  iss: text,
  sub: text,
  aud: text,
  resource: text,
  method: absentOr(z.string().regex(/^[A-Z]{3,10}$/)),
  amount: atomicText,
  asset: text,
  jti: text,
  iat: seconds,
  exp: seconds,
  holdExp: seconds,
});

/** The claims as they are signed. */
export const attestationDocument = ({ method, amount, ...claims }: AttestationClaims) => ({
  ...claims,
  ...(method === undefined ? {} : { method }),
  amount: amount.toString(),
});

/** The claims of a signed document; undefined for a document that is none. */
export function attestationClaimsOf(document: unknown): AttestationClaims | undefined {
  const read = claimsSchema.safeParse(document);
  return read.success ? { ...read.data, amount: parseAtomic(read.data.amount) ?? 0n } : undefined;
}

/** What an attestation is presented for. */
export interface AttestedPurchase {
  readonly authority: string;
  readonly provider: string;
  readonly asset: string;
  /** Atomic units. */
  readonly price: bigint;
  /** Digests of the URL as it was asked for, and as the challenge named it; empty: whoever asks has seen to it. */
  readonly resources: readonly string[];
  /** Absent: whoever asks has seen to it. */
  readonly method?: string | undefined;
}

type AttestationVerdict =
  { readonly ok: true } | { readonly ok: false; readonly reason: CreditError; readonly message: string };

const refuse = (reason: CreditError, message: string): AttestationVerdict => ({ ok: false, reason, message });

/** Whether the claims, whose signature holds, cover a purchase. Time is judged apart: what was presented in time is answered for later. */
export function judgeAttestation(claims: AttestationClaims, purchase: AttestedPurchase): AttestationVerdict {
  const { authority, provider, asset, price, resources, method } = purchase;
  if (claims.iss !== authority) return refuse('attestation_invalid', 'it was issued by another authority');
  if (claims.aud !== provider) return refuse('attestation_invalid', 'it is for another seller');
  if (claims.asset !== asset) return refuse('attestation_invalid', 'it is in another asset');
  if (resources.length > 0 && !resources.includes(claims.resource))
    return refuse('attestation_invalid', 'it is for another resource');
  if (method !== undefined && claims.method !== undefined && claims.method !== method)
    return refuse('attestation_invalid', 'it is for another method');
  if (claims.amount < price) return refuse('price_not_acceptable', 'the price is more than it promises');
  return { ok: true };
}

/** Whether it may still be presented. */
export const isPresentable = ({ exp }: AttestationClaims, nowSeconds: number): boolean => nowSeconds < exp;
