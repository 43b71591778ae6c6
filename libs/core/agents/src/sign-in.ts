import { type Instant, parseInstant } from '@core/time';
import { decodeHeader, PAYMENT_LIMITS } from '@core/x402';
import { z } from 'zod';

/** Why a sign-in does not count, by the codes of the x402 extension `sign-in-with-x`. */
export type SignInRefusal =
  | 'invalid_siwx_payload'
  | 'invalid_siwx_domain_mismatch'
  | 'invalid_siwx_uri_mismatch'
  | 'invalid_siwx_issued_at'
  | 'invalid_siwx_issued_at_too_old'
  | 'invalid_siwx_issued_at_in_future'
  | 'invalid_siwx_expiration_time'
  | 'invalid_siwx_expired'
  | 'invalid_siwx_not_before'
  | 'invalid_siwx_not_yet_valid'
  | 'invalid_siwx_nonce'
  | 'invalid_siwx_signature'
  | 'invalid_siwx_chain_id'
  | 'invalid_siwx_unsupported_chain'
  | 'invalid_siwx_malformed_signature';

/** A line of the signed text: whatever could end the line would let one field write another. */
const line = z.string().regex(/^[^\p{Cc}\u2028\u2029]*$/u);

const signInSchema = z.object({
  domain: line,
  address: z.string().regex(/^0x[0-9a-fA-F]{40}$/),
  statement: line.optional(),
  uri: line,
  version: z.literal('1'),
  chainId: line,
  type: z.string(),
  nonce: line,
  issuedAt: line,
  expirationTime: line.optional(),
  notBefore: line.optional(),
  requestId: line.optional(),
  resources: z.array(line).optional(),
  signatureScheme: z.string().optional(),
  signature: z.string(),
});

/** A proof of sign-in-with-x by a wallet of an EVM chain, as the agent sent it. */
export type SignIn = Readonly<z.output<typeof signInSchema>>;

type SignInReading = { readonly ok: true; readonly signIn: SignIn } | { readonly ok: false };

/** Reads a `SIGN-IN-WITH-X` header within the limits of a payment header. */
export function readSignIn(header: string): SignInReading {
  const decoded = decodeHeader(header, PAYMENT_LIMITS);
  const parsed = decoded.ok ? signInSchema.safeParse(decoded.value) : undefined;
  return parsed?.success === true ? { ok: true, signIn: parsed.data } : { ok: false };
}

/** Where a sign-in has to be for. */
export interface SignInPlace {
  /** Host of the resource, with its port unless it is the usual one. */
  readonly domain: string;
  readonly origin: string;
  /** When given, the proof has to name exactly this URI; else any of the origin. */
  readonly uri?: string | undefined;
}

export function placeOf(url: string, exactly = false): SignInPlace | undefined {
  if (!URL.canParse(url)) return undefined;
  const { host, origin } = new URL(url);
  return { domain: host, origin, uri: exactly ? url : undefined };
}

/** A proof is taken for this long after it was issued. */
export const SIGN_IN_MS = 300_000;

/** By so much the clocks of our own processes may differ: one gives the challenge, another checks the proof. */
const SKEW_MS = 5_000;

/** Checks all of a sign-in that needs neither memory nor the curve, in the order of the extension. */
export function signInProblem(signIn: SignIn, place: SignInPlace, now: Instant): SignInRefusal | undefined {
  if (signIn.domain !== place.domain) return 'invalid_siwx_domain_mismatch';
  if (!URL.canParse(signIn.uri) || new URL(signIn.uri).origin !== place.origin) return 'invalid_siwx_uri_mismatch';
  if (place.uri !== undefined && signIn.uri !== place.uri) return 'invalid_siwx_uri_mismatch';
  return timeProblem(signIn, now) ?? chainProblem(signIn);
}

function timeProblem({ issuedAt, expirationTime, notBefore }: SignIn, now: Instant): SignInRefusal | undefined {
  const issued = parseInstant(issuedAt);
  if (issued === undefined) return 'invalid_siwx_issued_at';
  if (now - issued > SIGN_IN_MS) return 'invalid_siwx_issued_at_too_old';
  if (issued - now > SKEW_MS) return 'invalid_siwx_issued_at_in_future';
  if (expirationTime !== undefined) {
    const expires = parseInstant(expirationTime);
    if (expires === undefined) return 'invalid_siwx_expiration_time';
    if (expires <= now) return 'invalid_siwx_expired';
  }
  if (notBefore !== undefined) {
    const begins = parseInstant(notBefore);
    if (begins === undefined) return 'invalid_siwx_not_before';
    if (begins > now) return 'invalid_siwx_not_yet_valid';
  }
  return undefined;
}

function chainProblem({ chainId, type, signatureScheme, signature }: SignIn): SignInRefusal | undefined {
  if (!chainId.startsWith('eip155:')) return 'invalid_siwx_unsupported_chain';
  if (!/^eip155:[1-9]\d{0,15}$/.test(chainId)) return 'invalid_siwx_chain_id';
  // Wallets that are contracts would have to be asked on their chain: they are not taken.
  if (type !== 'eip191' || (signatureScheme ?? 'eip191') !== 'eip191') return 'invalid_siwx_unsupported_chain';
  return /^0x[0-9a-fA-F]{130}$/.test(signature) ? undefined : 'invalid_siwx_malformed_signature';
}

/** The text an EVM wallet signed, laid out by EIP-4361. Times and address stand as the agent wrote them. */
export function signInText(signIn: Omit<SignIn, 'signature'>): string {
  const lines = [
    `${signIn.domain} wants you to sign in with your Ethereum account:`,
    signIn.address,
    '',
    ...(signIn.statement === undefined ? [''] : [signIn.statement, '']),
    `URI: ${signIn.uri}`,
    `Version: ${signIn.version}`,
    `Chain ID: ${signIn.chainId.slice('eip155:'.length)}`,
    `Nonce: ${signIn.nonce}`,
    `Issued At: ${signIn.issuedAt}`,
  ];
  if (signIn.expirationTime !== undefined) lines.push(`Expiration Time: ${signIn.expirationTime}`);
  if (signIn.notBefore !== undefined) lines.push(`Not Before: ${signIn.notBefore}`);
  if (signIn.requestId !== undefined) lines.push(`Request ID: ${signIn.requestId}`);
  if (signIn.resources !== undefined) lines.push('Resources:', ...signIn.resources.map((resource) => `- ${resource}`));
  return lines.join('\n');
}
