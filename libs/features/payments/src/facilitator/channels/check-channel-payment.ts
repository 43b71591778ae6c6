import { Fault } from '@core/faults';
import type { ChainReader, ChannelMove, ChannelOnChain } from '@core/settlement';
import type { Clock } from '@core/time';
import { type BatchPayment, channelProblem, fundsProblem, type Hex, lowerAddress, type X402Error } from '@core/x402';
import { PayerCode } from '../../channels/payer-code.js';
import type { GateChannels } from './gate-channels.js';
import type { RelayDoors } from './relay-doors.js';
import { type Refusal, refusal, type RelayTerms } from './relay-terms.js';

type Checked =
  | { readonly ok: true; readonly block: bigint; readonly channel: ChannelOnChain }
  | { readonly ok: false; readonly refusal: Refusal };

const no = (reason: X402Error, message: string): Checked => ({ ok: false, refusal: refusal(reason, message) });

/** A deposit that cannot be made now is tried until its time is over: a payer does not get to say "for ever". */
const MOST_SECONDS = 86_400n;

/** The payer's three payloads, in the order of the scheme's rules for facilitators. Nothing is written. */
export class CheckChannelPayment {
  readonly #codes: PayerCode;

  constructor(
    private readonly doors: RelayDoors,
    private readonly gate: GateChannels,
    private readonly chain: ChainReader,
    private readonly clock: Clock,
    private readonly staleSeconds: number,
  ) {
    this.#codes = new PayerCode(chain, doors.collector, clock);
  }

  /** @throws Fault unavailable when the chain cannot be read or has not moved for long */
  async run(terms: RelayTerms, payment: BatchPayment): Promise<Checked> {
    const { config, voucher } = payment;
    const { verifier } = this.doors;
    if (verifier.channelId(config) !== voucher.channelId) {
      return no('invalid_batch_settlement_evm_channel_id_mismatch', 'voucher.channelId is not that of channelConfig');
    }
    const { receiverAuthorizer, withdrawDelay } = terms.extra;
    const problem = channelProblem(config, {
      token: terms.asset,
      payTo: terms.payTo,
      receiverAuthorizer: lowerAddress(receiverAuthorizer) ?? '0x',
      withdrawDelay: withdrawDelay === undefined ? config.withdrawDelay : Number(withdrawDelay),
    });
    if (problem) return no(problem, 'channelConfig does not fit paymentRequirements');
    const signed = verifier.voucher(config, voucher);
    if (!signed.valid) return no(signed.reason, 'the voucher is not signed as the contract demands');
    if (await this.#codes.decides(config)) {
      const message =
        'the payer is a contract, whose vouchers only it can judge: channelConfig has to name an authorizer';
      return no('invalid_batch_settlement_evm_voucher_signature', message);
    }
    const ours = await this.gate.refuse([{ id: voucher.channelId, config }]);
    if (ours) return { ok: false, refusal: ours };
    if (payment.type === 'deposit') {
      const unsigned = this.#unsigned(terms, payment);
      if (unsigned) return unsigned;
    }
    return this.#funded(terms, payment);
  }

  /** What the payer's leave to pull a deposit lacks. */
  #unsigned(terms: RelayTerms, payment: Extract<BatchPayment, { type: 'deposit' }>): Checked | undefined {
    const { name, version } = terms.extra;
    if (typeof name !== 'string' || typeof version !== 'string') {
      const message = 'paymentRequirements.extra needs the token’s EIP-712 name and version';
      return no('invalid_batch_settlement_evm_missing_eip712_domain', message);
    }
    const { domain } = terms.token;
    const signed = this.doors.verifier.deposit(domain, payment.config, payment.deposit);
    if (!signed.valid) return no(signed.reason, 'the deposit is not signed by the payer, or not by EIP-3009');
    if (name !== domain.name || version !== domain.version) {
      const message = 'extra.name and extra.version are not the token’s';
      return no('invalid_batch_settlement_evm_receive_authorization_signature', message);
    }
    return undefined;
  }

  async #funded(terms: RelayTerms, payment: BatchPayment): Promise<Checked> {
    const { config, voucher } = payment;
    const { block, channels } = await this.doors.chain.channels([voucher.channelId], 'latest');
    const [channel] = channels;
    if (!channel) throw new Fault('invariant_broken', 'the chain left a question unanswered');
    this.requireMoving(block.timestamp);
    const payer = payment.type === 'deposit' ? await this.#payer(terms, payment) : undefined;
    if (payer?.hasCode) {
      const message = 'the payer is a contract: deposits are taken from wallets that are a key';
      return no('invalid_batch_settlement_evm_receive_authorization_signature', message);
    }
    const short = fundsProblem(payment, {
      balance: channel.balance,
      totalClaimed: channel.totalClaimed,
      payerBalance: payer?.balance ?? 0n,
      now: block.timestamp,
    });
    if (payment.type === 'deposit' && endOf(payment) > block.timestamp + MOST_SECONDS) {
      const message = 'validBefore is further off than a day';
      return no('invalid_batch_settlement_evm_payload_authorization_valid_before', message);
    }
    if (short) return no(short, 'the channel, its payer or the time does not allow it');
    if (payer && (payer.nonceUsed || payer.blocked || payer.paused)) {
      const message = payer.nonceUsed ? 'this deposit was made before' : 'the token does not move for this payer now';
      return no('invalid_batch_settlement_evm_deposit_simulation_failed', message);
    }
    if (payment.type === 'deposit') {
      const wrong = await this.simulated({ kind: 'deposit', config, deposit: payment.deposit });
      if (wrong !== undefined) return no('invalid_batch_settlement_evm_deposit_simulation_failed', wrong);
    }
    return { ok: true, block: block.number, channel };
  }

  async #payer(terms: RelayTerms, { config, voucher, deposit }: Extract<BatchPayment, { type: 'deposit' }>) {
    const { authorization } = deposit;
    if (authorization.method !== 'eip3009') throw new Fault('invariant_broken', 'only EIP-3009 deposits are taken');
    const nonce: Hex = this.doors.verifier.depositNonce(voucher.channelId, authorization.salt);
    const [payer] = await this.chain.payerState([
      { token: terms.asset, payer: config.payer, payTo: this.doors.collector, nonce },
    ]);
    if (!payer) throw new Fault('invariant_broken', 'the chain reader left a question unanswered');
    return payer;
  }

  /** Why the contract would turn it down now; undefined when it would not. */
  async simulated(move: ChannelMove): Promise<string | undefined> {
    const simulation = await this.doors.chain.simulate([move]);
    const [verdict] = simulation.kind === 'verdicts' ? simulation.verdicts : [];
    if (!verdict) throw new Fault('unavailable', 'The chain does not say whether this would pass; try again shortly.');
    return verdict.passes ? undefined : `the contract would refuse it: ${verdict.reason}`;
  }

  /** @throws Fault unavailable when the newest block is too old to judge by */
  requireMoving(timestamp: bigint): void {
    if (this.clock.now() / 1000 - Number(timestamp) <= this.staleSeconds) return;
    throw new Fault('unavailable', 'The chain has not been seen to move for a while; try again shortly.', {
      reason: 'chain_head_stale',
      retryAfterSeconds: 5,
    });
  }
}

const endOf = ({ deposit: { authorization } }: Extract<BatchPayment, { type: 'deposit' }>): bigint =>
  authorization.method === 'eip3009' ? authorization.validBefore : authorization.deadline;
