import type { KeyRefusal } from '../authenticate-key.js';
import type { ProofRefusal } from './prove-identity.js';

/** Why an agent is not taken for who it says it is. */
export type AgentRefusal = ProofRefusal | `${KeyRefusal}_key` | 'provider_key' | 'unknown_agent';

const SIGN_AGAIN = 'Ask again without the proof and sign the new challenge.';

/** What is wrong and what to do about it, in words an agent's author can act on. */
export const PROOF_MESSAGES: Readonly<Record<AgentRefusal, string>> = {
  malformed_key: 'The agent key does not have the form of one; it may have been cut off.',
  unknown_key: 'The agent key is not known here: check that it is whole and of this provider.',
  revoked_key: 'The agent key has been revoked: ask the provider for a new one.',
  expired_key: 'The agent key has expired: ask the provider for a new one.',
  provider_key: 'This is a provider’s own key, which pays for nothing: use an agent key of an account.',
  unknown_agent:
    'The proof holds, but no account here is known by it: pay once by x402 with this wallet, or have it linked.',
  invalid_siwx_payload: 'SIGN-IN-WITH-X is not base64 of the JSON of a sign-in.',
  invalid_siwx_domain_mismatch: `The sign-in is for another domain. ${SIGN_AGAIN}`,
  invalid_siwx_uri_mismatch: `The sign-in is for another URI. ${SIGN_AGAIN}`,
  invalid_siwx_issued_at: 'issuedAt of the sign-in is no date-time.',
  invalid_siwx_issued_at_too_old: `The sign-in is older than 5 minutes. ${SIGN_AGAIN}`,
  invalid_siwx_issued_at_in_future: 'The sign-in was issued in the future: leave issuedAt as the challenge gave it.',
  invalid_siwx_expiration_time: 'expirationTime of the sign-in is no date-time.',
  invalid_siwx_expired: `The sign-in has expired. ${SIGN_AGAIN}`,
  invalid_siwx_not_before: 'notBefore of the sign-in is no date-time.',
  invalid_siwx_not_yet_valid: 'The sign-in is not valid yet: wait until its notBefore.',
  invalid_siwx_nonce: `The nonce was not given out here, is too old, or was used. ${SIGN_AGAIN}`,
  invalid_siwx_signature: 'The signature is not that of the address over the text of the sign-in (EIP-4361, EIP-191).',
  invalid_siwx_chain_id: 'chainId is not eip155: and a number.',
  invalid_siwx_unsupported_chain: 'Only wallets of EVM chains with a key of their own (eip191) can sign in.',
  invalid_siwx_malformed_signature: 'The signature is not 65 bytes in hex.',
  invalid_signature:
    'The HTTP message signature does not hold: one of tag web-bot-auth, ed25519, by a key of the directory.',
  invalid_payment_signature: 'The HTTP message signature has to cover payment-signature when that header is sent.',
  signature_agent_unknown: 'No account here is linked to the host in Signature-Agent.',
  signature_expired: 'The HTTP message signature is older than 30 seconds, or past its expires: sign again.',
  signature_from_the_future: 'The HTTP message signature was created in the future: set the clock.',
  signature_incomplete:
    'The HTTP message signature lacks created, expires or keyid, or does not cover @authority and signature-agent (and @path where an account is named).',
  signature_replayed: 'The HTTP message signature was used before: sign each request anew, with a nonce.',
  key_directory_unavailable:
    'The key directory of the host in Signature-Agent cannot be read: it has to answer by https.',
};
