import { epochSeconds, type Instant } from '@core/time';

/** What a signature is marked with that says "this agent signed this request". */
export const AGENT_TAG = 'web-bot-auth';

/** Why a signed request does not count. The first five are codes of x402's credit-backed payments. */
export type MessageSignatureRefusal =
  | 'invalid_signature'
  | 'invalid_payment_signature'
  | 'signature_agent_unknown'
  | 'signature_expired'
  | 'signature_from_the_future'
  | 'signature_incomplete'
  | 'signature_replayed'
  | 'key_directory_unavailable';

/** Parameters of a signature as they stand in `Signature-Input`; times in Unix seconds. */
export interface SignatureParameters {
  readonly created: unknown;
  readonly expires: unknown;
  readonly keyid: unknown;
  readonly alg: unknown;
}

interface FreshSignature {
  readonly keyid: string;
  readonly created: number;
}

/** A signature is taken for so long after it was made. */
export const SIGNATURE_SECONDS = 30;

const SKEW_SECONDS = 5;

/** Judges what a signature says of itself, before any key is looked for. */
export function judgeParameters(
  { created, expires, keyid, alg }: SignatureParameters,
  now: Instant,
): FreshSignature | MessageSignatureRefusal {
  if (!isSeconds(created) || !isSeconds(expires) || expires <= created) return 'signature_incomplete';
  // A key is named by its thumbprint: 32 bytes in base64url.
  if (typeof keyid !== 'string' || !/^[A-Za-z0-9_-]{43}$/.test(keyid)) return 'signature_incomplete';
  if (alg !== undefined && alg !== 'ed25519') return 'invalid_signature';
  const seconds = epochSeconds(now);
  if (created - seconds > SKEW_SECONDS) return 'signature_from_the_future';
  if (seconds - created > SIGNATURE_SECONDS + SKEW_SECONDS || seconds - expires > SKEW_SECONDS)
    return 'signature_expired';
  return { keyid, created };
}

const isSeconds = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0;

/** One component a signature covers: its name, and the names of the parameters it is taken with. */
export interface CoveredComponent {
  readonly name: string;
  readonly parameters: readonly string[];
}

/**
 * Judges what a signature covers: always the authority, so that it cannot be used elsewhere, and the agent it names; a payment
 * that travels along, so that none can be put in; and the target, where the request says which account is meant.
 */
export function judgeCovered(
  covered: readonly CoveredComponent[],
  request: { readonly paymentSignature: boolean; readonly nameTarget: boolean },
): MessageSignatureRefusal | undefined {
  const plain = (name: string) =>
    covered.some((component) => component.name === name && component.parameters.length === 0);
  const agent = covered.some(
    ({ name, parameters }) => name === 'signature-agent' && parameters.every((parameter) => parameter === 'key'),
  );
  if ((!plain('@authority') && !plain('@target-uri')) || !agent) return 'signature_incomplete';
  if (request.nameTarget && !plain('@path') && !plain('@target-uri')) return 'signature_incomplete';
  return request.paymentSignature && !plain('payment-signature') ? 'invalid_payment_signature' : undefined;
}

const HOST = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?(?::[1-9]\d{0,4})?$/;
const LOCAL = /^(?:localhost|127\.0\.0\.1)(?::[1-9]\d{0,4})?$/;

/**
 * The host a `Signature-Agent` header names, lower case: a string or the one member of a dictionary, holding an https origin or
 * a bare host. An http origin counts for this machine only. Undefined when it names none.
 */
export function agentHostOf(header: string): string | undefined {
  if (header.length > 512) return undefined;
  const quoted = /^(?:[a-z*][a-z0-9_.*-]*=)?"([\x20\x21\x23-\x5b\x5d-\x7e]*)"$/.exec(header.trim())?.[1];
  const named = (quoted ?? header.trim()).toLowerCase();
  if (HOST.test(named) || LOCAL.test(named)) return withoutUsualPort(named, 'https:');
  if (!URL.canParse(named)) return undefined;
  const { protocol, host, username, password, pathname, search, hash } = new URL(named);
  if (username !== '' || password !== '' || pathname !== '/' || search !== '' || hash !== '') return undefined;
  if (protocol === 'https:' && (HOST.test(host) || LOCAL.test(host))) return host;
  return protocol === 'http:' && LOCAL.test(host) ? host : undefined;
}

const withoutUsualPort = (host: string, protocol: string): string => new URL(`${protocol}//${host}`).host;
