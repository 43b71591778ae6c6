import { Fault } from '@core/faults';
import type { ChainReader } from '@core/settlement';
import { addMs, type Clock, type Instant } from '@core/time';
import { type ChannelConfig, type Hex, ZERO_ADDRESS } from '@core/x402';

/** How long a payer that had no code is believed to have none. */
const KEPT_MS = 60_000;
/** Most payers remembered; others are asked for again. */
const REMEMBERED = 20_000;
/** The token is asked about some authorization too; which one does not matter here. */
const NO_NONCE: Hex = `0x${'0'.repeat(64)}`;

/**
 * Whether it is the payer's code that decides about the vouchers of a channel. Where a channel names no authorizer, its payer signs; of a
 * payer with code, delegated or deployed, the contract asks the code instead, which may say no when we claim.
 */
export class PayerCode {
  /** Payers without code, each with the end of that knowledge. */
  readonly #plain = new Map<Hex, Instant>();

  constructor(
    private readonly chain: Pick<ChainReader, 'payerState'>,
    private readonly collector: Hex,
    private readonly clock: Clock,
  ) {}

  /** @throws Fault unavailable when the chain cannot be asked */
  async decides({ payer, payerAuthorizer, token }: ChannelConfig): Promise<boolean> {
    if (payerAuthorizer !== ZERO_ADDRESS) return false;
    const now = this.clock.now();
    if ((this.#plain.get(payer) ?? now) > now) return false;
    const [state] = await this.chain.payerState([{ token, payer, payTo: this.collector, nonce: NO_NONCE }]);
    if (!state) throw new Fault('invariant_broken', 'the chain reader left a question unanswered');
    if (state.hasCode) {
      this.#plain.delete(payer);
      return true;
    }
    if (this.#plain.size >= REMEMBERED) this.#plain.clear();
    this.#plain.set(payer, addMs(now, KEPT_MS));
    return false;
  }
}
