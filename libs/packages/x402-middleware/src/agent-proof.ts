import type { AgentProof } from './contract.js';

/** Reads a header of the request by its lower-case name. */
export type HeaderReader = (name: string) => string | undefined;

/** An agent key, and no other bearer token: those of the provider's own users are none of the gate's business. */
const AGENT_KEY = /^bearer fbx_[\w-]{16,250}$/i;

/** Longer ones prove nothing: the gate does not take them. */
const LONGEST_HEADER = 8192;
const LONGEST_NAME = 64;
const MOST_COVERED = 8;

/** Carried elsewhere in the question, or secrets between the agent and the provider. */
const NOT_COVERED = new Set([
  'authorization',
  'cookie',
  'idempotency-key',
  'payment-signature',
  'proxy-authorization',
  'sign-in-with-x',
  'signature',
  'signature-agent',
  'signature-input',
  'x-payment',
]);

/** What of a request shows who asks; absent when nothing does. */
export function proofOf(header: HeaderReader): AgentProof | undefined {
  const authorization = header('authorization');
  const signature = header('signature');
  const signatureInput = header('signature-input');
  const isSigned = signature !== undefined && signatureInput !== undefined;
  const proof: Record<keyof AgentProof, AgentProof[keyof AgentProof]> = {
    authorization: authorization !== undefined && AGENT_KEY.test(authorization) ? authorization : undefined,
    signInWithX: header('sign-in-with-x'),
    signature: isSigned ? signature : undefined,
    signatureInput: isSigned ? signatureInput : undefined,
    signatureAgent: isSigned ? header('signature-agent') : undefined,
    covered: isSigned ? coveredHeaders(signatureInput, header) : undefined,
  };
  const present = Object.entries(proof).filter(
    ([, value]) => value !== undefined && (typeof value === 'object' || fits(value)),
  );
  return present.length === 0 ? undefined : Object.fromEntries(present);
}

const fits = (value: string): boolean => value.length > 0 && value.length <= LONGEST_HEADER;

/** The headers that a Signature-Input (RFC 9421, section 4.1) lists between parentheses; derived components begin with `@`. */
function coveredHeaders(signatureInput: string, header: HeaderReader): AgentProof['covered'] {
  const covered = new Map<string, string>();
  for (const [, list = ''] of signatureInput.matchAll(/\(([^()]*)\)/g)) {
    for (const [, quoted = ''] of list.matchAll(/"([^"]*)"/g)) {
      const name = quoted.toLowerCase();
      if (name.startsWith('@') || name.length > LONGEST_NAME || NOT_COVERED.has(name)) continue;
      const value = header(name);
      if (value !== undefined && fits(value) && covered.size < MOST_COVERED) covered.set(name, value);
    }
  }
  return covered.size === 0 ? undefined : Object.fromEntries(covered);
}

/** `Idempotency-Key`: printable characters without spaces. */
export const isIdempotencyKey = (text: string): boolean => /^[\x21-\x7e]{1,128}$/.test(text);
