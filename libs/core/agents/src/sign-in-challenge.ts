import { addMs, formatInstant, type Instant } from '@core/time';
import { type SignInPlace, SIGN_IN_MS } from './sign-in.js';

/** Name of the x402 extension. */
export const SIGN_IN_EXTENSION = 'sign-in-with-x';

/** What the extension of a challenge holds: what a wallet is asked to sign, and for which chains it may. */
export interface SignInChallenge {
  readonly info: {
    readonly domain: string;
    readonly uri: string;
    readonly version: '1';
    readonly nonce: string;
    readonly issuedAt: string;
    readonly expirationTime: string;
    readonly statement?: string;
    readonly resources: readonly string[];
  };
  readonly supportedChains: readonly { readonly chainId: string; readonly type: 'eip191' }[];
  readonly schema: object;
}

/** JSON Schema of the proof that is sent back: kept short, as challenges travel in a header and are echoed in another. */
const PROOF_SCHEMA = { type: 'object', required: ['address', 'signature'] } as const;

/** Asks a wallet to sign in at `url`. `networks` are CAIP-2; those that are not EVM chains are left out. */
export function signInChallenge(
  place: SignInPlace,
  asked: { url: string; nonce: string; networks: readonly string[]; statement?: string | undefined },
  now: Instant,
): SignInChallenge {
  return {
    info: {
      domain: place.domain,
      uri: asked.url,
      version: '1',
      nonce: asked.nonce,
      issuedAt: formatInstant(now),
      expirationTime: formatInstant(addMs(now, SIGN_IN_MS)),
      ...(asked.statement === undefined ? {} : { statement: asked.statement }),
      resources: [asked.url],
    },
    supportedChains: asked.networks
      .filter((network) => network.startsWith('eip155:'))
      .map((chainId) => ({ chainId, type: 'eip191' })),
    schema: PROOF_SCHEMA,
  };
}
