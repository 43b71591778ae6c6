import { Fault } from '@core/faults';
import type { PayableAssets } from '@core/payments';
import type { RelayOrder } from '@core/settlement';
import { BATCH_SETTLEMENT, batchPaymentOf, batchRelayOf, channelStateOf } from '@core/x402';
import type { SettlementResponse, VerifyResponse } from '@core/x402';
import type { OrderStanding, OrderWaiter, PlaceOrder } from '@features/settlement';
import type { PaymentStore } from '../../exact/payments.store.js';
import type { Payees } from '../../gate/payees.js';
import {
  type FacilitatedScheme,
  NOT_OURS,
  NOT_YOURS,
  SETTLE_WAIT_MS,
  type SupportedScheme,
} from '../facilitated-scheme.js';
import type { CheckChannelPayment } from './check-channel-payment.js';
import type { CheckRelay } from './check-relay.js';
import type { RelayDoors } from './relay-doors.js';
import { readRelayTerms, type Refusal, refusal, type RelayTerms } from './relay-terms.js';

/** The payer, of orders that have one. */
const payerOf = (order: RelayOrder): string | undefined => ('config' in order ? order.config.payer : undefined);

/**
 * Scheme `batch-settlement` for servers that keep their channels themselves and sign for them with a key of their own: we check, carry and
 * pay the gas. Nothing of it is a charge of ours. We sign no claim and no refund for anybody, hence name no authorizer in `supported`.
 */
export class FacilitateChannels implements FacilitatedScheme {
  readonly scheme = BATCH_SETTLEMENT;

  constructor(
    private readonly doors: RelayDoors,
    private readonly payments: CheckChannelPayment,
    private readonly relays: CheckRelay,
    private readonly orders: PlaceOrder,
    private readonly waiter: OrderWaiter,
    private readonly payees: Payees,
    private readonly signers: Pick<PaymentStore, 'relayers'>,
    private readonly assets: PayableAssets,
    private readonly settings: { readonly settleWaitMs?: number | undefined },
  ) {}

  async verify(body: unknown, provider: string | undefined): Promise<VerifyResponse> {
    const invalid = ({ reason, message }: Refusal, payer?: string): VerifyResponse => ({
      isValid: false,
      invalidReason: reason,
      invalidMessage: message,
      ...(payer === undefined ? {} : { payer }),
    });
    const read = readRelayTerms(body, this.assets(), this.doors.chain.chainId);
    if (!read.ok) return invalid(read.refusal);
    const { terms } = read;
    const paid = batchPaymentOf(terms);
    if (!paid.ok) return invalid(paid);
    const { payment } = paid;
    const { payer } = payment.config;
    const payee = await this.#payee(terms, provider);
    if ('reason' in payee) return invalid(payee, payer);
    const checked = await this.payments.run(terms, payment);
    if (!checked.ok) return invalid(checked.refusal, payer);
    if (payment.type === 'deposit') {
      const ordered = await this.relays.order(terms, { type: 'deposit', payment });
      if (!ordered.ok) return invalid(ordered.refusal, payer);
      if (await this.orders.find(this.doors.chain.chainId, ordered.order)) return invalid(DEPOSITED, payer);
    }
    const { withdrawal, ...channel } = checked.channel;
    const withdrawRequestedAt = withdrawal && Number(withdrawal.requestedAt);
    const extra = { ...channelStateOf({ ...channel, withdrawRequestedAt, charged: undefined }) };
    return { isValid: true, payer, extra };
  }

  async settle(body: unknown, provider: string | undefined): Promise<SettlementResponse> {
    const { chainId } = this.doors.chain;
    const read = readRelayTerms(body, this.assets(), chainId);
    if (!read.ok) return failed(read.refusal, read.network);
    const { terms } = read;
    const relayed = batchRelayOf(terms);
    if (!relayed.ok) return failed(relayed, terms.network);
    const payee = await this.#payee(terms, provider);
    if ('reason' in payee) return failed(payee, terms.network);
    const ordered = await this.relays.order(terms, relayed.relay);
    if (!ordered.ok) return failed(ordered.refusal, terms.network);
    const { order } = ordered;
    // The stored answer comes first: once the chain has it, the checks below would say no.
    const known = await this.orders.find(chainId, order);
    if (known) return this.#answer(terms, order, known);
    const checked = await this.relays.check(terms, relayed.relay, order);
    if (!checked.ok) return failed(checked.refusal, terms.network, payerOf(order));
    // What others have claimed as far is claimed: no transaction of ours could add to it.
    if (checked.reached) return { success: true, transaction: '', network: terms.network, amount: '' };
    const placed = { provider: payee.provider, chainId, order, sinceBlock: checked.block };
    return this.#answer(terms, order, await this.orders.run(placed));
  }

  async #payee(terms: RelayTerms, provider: string | undefined): Promise<{ readonly provider: string } | Refusal> {
    const payee = await this.payees.ofWallet(terms.payTo);
    if (!payee) return refusal('invalid_payment_requirements', NOT_OURS);
    if (provider !== undefined && payee.provider !== provider) {
      return refusal('invalid_payment_requirements', NOT_YOURS);
    }
    return payee;
  }

  async #answer(
    { network }: RelayTerms,
    order: RelayOrder,
    placed: Awaited<ReturnType<PlaceOrder['run']>>,
  ): Promise<SettlementResponse> {
    const payer = payerOf(order);
    if (placed.outcome === 'exists' && !placed.same) {
      const message = 'this nonce was given for something else, which is carried already';
      return failed(
        { reason: `invalid_batch_settlement_evm_${order.kind}_simulation_failed`, message },
        network,
        payer,
      );
    }
    const now = await this.waiter.wait(placed.order, this.settings.settleWaitMs ?? SETTLE_WAIT_MS);
    const base = { ...(payer === undefined ? {} : { payer }), transaction: now.transaction ?? '', network };
    switch (now.state) {
      case 'included':
      case 'done':
        return { success: true, ...base, amount: amountOf(now), ...extraOf(now) };
      case 'failed':
        return { success: false, errorReason: now.reason, errorMessage: 'the chain did not take it', ...base };
      case 'open':
        // A pending settlement names its transaction. Before there is one, only "ask again" is true.
        if (now.transaction !== undefined) return { success: false, errorReason: 'settlement_pending', ...base };
        throw new Fault(
          'unavailable',
          'This is taken and waits to be sent to the chain. Settle it again: it is sent once, whatever is asked.',
          { reason: 'settlement_not_sent_yet', retryAfterSeconds: 5 },
        );
    }
  }

  async supported(): Promise<SupportedScheme> {
    const { chainId } = this.doors.chain;
    const networks = new Set(
      this.assets().flatMap(({ network, domain }) => (domain.chainId === chainId ? [network] : [])),
    );
    return {
      kinds: [...networks].map((network) => ({ x402Version: 2, scheme: BATCH_SETTLEMENT, network })),
      signers: networks.size === 0 ? [] : await this.signers.relayers(chainId),
    };
  }
}

const DEPOSITED = refusal(
  'invalid_batch_settlement_evm_deposit_simulation_failed',
  'this deposit was presented for settlement before',
);

const failed = ({ reason, message }: Refusal, network: string, payer?: string): SettlementResponse => ({
  success: false,
  errorReason: reason,
  errorMessage: message,
  ...(payer === undefined ? {} : { payer }),
  transaction: '',
  network,
});

/** A claim moves nothing by itself. */
const amountOf = ({ kind, moved }: OrderStanding): string => (kind === 'claim' ? '' : (moved ?? 0n).toString());

const extraOf = ({ channelState }: OrderStanding): Pick<SettlementResponse, 'extra'> =>
  channelState === undefined ? {} : { extra: { channelState } };
