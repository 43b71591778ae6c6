import { AUTHORIZATION_SECONDS, checkCeiling } from '@core/payments';
import type { CeilingState, ChainReader } from '@core/settlement';
import type { Clock } from '@core/time';
import type { UptoAuthorization } from '@core/x402';
import { type Presentation, type Refused, refused } from '../exact/claim-payment.js';
import { liveHeadSeconds } from '../exact/live-head.js';
import type { UptoDoors } from './upto-doors.js';

/** What a signed ceiling is presented for. */
export interface PresentedCeiling {
  readonly presentation: Pick<Presentation, 'asset' | 'payTo' | 'amount' | 'origin'>;
  readonly authorization: UptoAuthorization;
  /** Whom of ours the payer may have named. */
  readonly facilitators: readonly string[];
}

type Payable = { readonly outcome: 'payable'; readonly state: CeilingState };

/** Finds out whether a signed ceiling can be paid with; what is wrong with it is named in the protocol's order. Claims nothing. */
export class CheckCeiling {
  constructor(
    private readonly doors: Pick<UptoDoors, 'reader' | 'verifier'>,
    private readonly chain: ChainReader,
    private readonly clock: Clock,
    private readonly staleSeconds: number,
  ) {}

  /** Whether the authorization carries its payer's signature. */
  signedBy(authorization: UptoAuthorization): boolean {
    return this.doors.verifier.signed(authorization);
  }

  /**
   * Terms, time, signature, and the payer's state on the chain.
   * @returns why not, or what the chain says of the payer
   */
  async run({ presentation, authorization, facilitators }: PresentedCeiling): Promise<Refused | Payable> {
    const { asset, payTo, amount, origin } = presentation;
    const headSeconds = await liveHeadSeconds(this.chain, this.clock, this.staleSeconds);
    const offer = {
      payTo,
      amount,
      asset: asset.domain.address,
      facilitators,
      maxTimeoutSeconds: AUTHORIZATION_SECONDS,
    };
    const terms = checkCeiling(authorization, offer, headSeconds, origin === 'facilitator' ? origin : 'gate');
    if (!terms.ok) return refused(terms.reason, terms.message);
    if (!this.doors.verifier.signed(authorization)) {
      return refused(
        'invalid_permit2_signature',
        'the signature is not the payer’s for this ceiling, or not in canonical form',
      );
    }
    const state = await this.doors.reader.state(authorization);
    return refusalOf(state, amount) ?? { outcome: 'payable', state };
  }
}

export const tooLittleAllowed = refused(
  'permit2_allowance_required',
  'Permit2 may move less of the token than is signed for: approve it first, then sign a new authorization',
);

function refusalOf(state: CeilingState, amount: bigint): Refused | undefined {
  if (!state.deployed) {
    return refused('permit2_proxy_not_deployed', 'the contracts of scheme upto are not on this chain');
  }
  if (state.nonceUsed)
    return refused('permit2_invalid_nonce', 'this authorization was used or taken back; sign a new one');
  if (state.hasCode) {
    return refused(
      'contract_wallet_not_supported',
      'payers that are contracts or have delegated code cannot pay here; use a plain wallet',
    );
  }
  if (state.paused) return refused('token_paused', 'the token is paused by its issuer; try again later');
  if (state.blocked) return refused('payer_blocked', 'the token’s issuer has blocked the payer or the payee');
  if (state.balance < amount) {
    return refused(
      'permit2_insufficient_balance',
      'the wallet holds less than the ceiling; fund it and sign a new authorization',
    );
  }
  if (state.allowance < amount) return tooLittleAllowed;
  if (!state.passes) return refused('permit2_simulation_failed', 'a settlement of the ceiling would not pass now');
  return undefined;
}
