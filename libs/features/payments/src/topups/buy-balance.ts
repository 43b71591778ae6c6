import { createHash } from 'node:crypto';
import type { AgentProof } from '@core/agents';
import { Fault } from '@core/faults';
import { ID_PREFIXES, type IdSource } from '@core/ids';
import { type PayableAssets, type Quote, releases } from '@core/payments';
import { exactBindingText } from '@core/records';
import { type Clock, epochSeconds } from '@core/time';
import type { ExactAuthorization } from '@core/x402';
import type { AuthenticateAgent, ProvenRequest } from '@features/accounts';
import { type AuthorizePayment, claimKey } from '../exact/authorize-payment.js';
import type { PaymentRow, PaymentStore } from '../exact/payments.store.js';
import type { Challenges } from '../gate/challenge.js';
import type { WireReply } from '../gate/gate-decisions.js';
import type { Held } from '../gate/identified.js';
import { type QuoteSealer, requestDigest } from '../gate/quote-sealer.js';
import { reservationEnded } from '../gate/refusals.js';
import type { ReleaseWaiter } from '../gate/release-waiter.js';
import { failedReply, settlementHeaders } from '../gate/wire-replies.js';
import type { BalanceTerms, QuoteTopUp } from './quote-top-up.js';
import { readPaymentV1, readPaymentV2, type ShownPayment } from './read-top-up-payment.js';
import { viewOfTopUp } from './top-up.js';
import type { TopUpsStore } from './topups.store.js';

/** A request to buy balance, as it came. */
export interface BalanceToBuy extends BalanceTerms {
  /** Whose balance; absent: that of the wallet that pays. */
  readonly account: string | undefined;
  /** PAYMENT-SIGNATURE and X-PAYMENT as received. */
  readonly paymentSignature: string | undefined;
  readonly xPayment: string | undefined;
  /** By what it shows that it is that account. */
  readonly proof: AgentProof;
  readonly proven: ProvenRequest;
}

type Payment = Exclude<ShownPayment, { readonly error: string }>;

const HINTS = { description: 'Prepaid balance', mimeType: 'application/json' };
const UNPAID = 'PAYMENT-SIGNATURE header is required';

const TAKEN = {
  authorization_consumed: 'This authorization already pays for something else. Sign a new one for this request.',
  payment_identifier_taken: 'This payment identifier names another purchase. Use a new identifier for a new purchase.',
} as const;

const taken = (reason: keyof typeof TAKEN): Fault => new Fault('conflict', TAKEN[reason], { reason });

/**
 * Sells prepaid balance for an x402 payment of exactly its amount. There is no work between claim and capture; a claim that was not
 * captured is captured when its payment is presented again.
 */
export class BuyBalance {
  constructor(
    private readonly quotes: QuoteTopUp,
    private readonly challenges: Challenges,
    private readonly sealer: QuoteSealer,
    private readonly authorize: AuthorizePayment,
    private readonly payments: PaymentStore,
    private readonly topUps: TopUpsStore,
    private readonly waiter: ReleaseWaiter,
    private readonly agents: Pick<AuthenticateAgent, 'run'> | undefined,
    private readonly assets: PayableAssets,
    private readonly clock: Clock,
    private readonly ids: IdSource,
    private readonly settings: { readonly publicUrl: string; readonly releaseWaitMs: number },
  ) {}

  /**
   * @throws Fault not_found, invalid_request (see `QuoteTopUp`, and payments that cannot be read), unauthenticated and forbidden for an
   *   account that does not show itself, conflict for a payment or identifier that stands for something else, unavailable
   */
  async run(asked: BalanceToBuy): Promise<WireReply> {
    const shown = await this.#shown(asked);
    const payment = shown && !('error' in shown) ? shown : undefined;
    // What was bought is answered from its claim, whatever became of quote, limits and proof since.
    const before = payment && (await this.#before(payment));
    if (before) return this.#answer(before);
    const quote = await this.quotes.run(asked);
    const account = asked.account === undefined ? undefined : await this.#prove(asked, asked.account);
    if (!payment) return this.challenges.refused(quote, HINTS, shown && 'error' in shown ? shown.error : UNPAID);
    if (payment.quote.expiresAt <= epochSeconds(this.clock.now())) {
      return this.challenges.refused(quote, HINTS, 'quote_expired');
    }
    return this.#pay(payment, quote, account);
  }

  async #shown(asked: BalanceToBuy): Promise<ShownPayment | undefined> {
    const { provider, amount, paymentSignature, xPayment } = asked;
    if (paymentSignature !== undefined) {
      const request = this.quotes.requestOf(asked);
      const { sealer, assets } = this;
      return readPaymentV2(paymentSignature, { provider, amount, request }, { sealer, assets });
    }
    return xPayment === undefined ? undefined : readPaymentV1(xPayment, await this.quotes.run(asked));
  }

  /** The payment, when it was presented for this before and has bought its balance. */
  async #before({ quote, authorization }: Payment): Promise<PaymentRow | undefined> {
    const known = await this.payments.findClaim(claimKey(quote.asset, authorization));
    if (!known || known.binding !== bindingOf(quote, authorization)) return undefined;
    if (known.state === 'reserved' || known.state === 'voided') return undefined;
    // Only who holds the signature learns what became of the payment.
    return this.authorize.signedBy(quote.asset, authorization) ? known : undefined;
  }

  async #pay({ quote, authorization, identified }: Payment, now: Quote, account: string | undefined) {
    const authorized = await this.authorize.run({
      provider: quote.provider,
      origin: 'topup',
      asset: quote.asset,
      authorization,
      payTo: quote.payTo,
      amount: quote.amount,
      binding: bindingOf(quote, authorization),
      resource: quote.request.url,
      identified,
      attempt: undefined,
      meterId: undefined,
      meter: undefined,
      quantity: undefined,
      priceId: undefined,
      release: quote.release,
    });
    switch (authorized.outcome) {
      case 'refused':
        return this.challenges.refused(now, HINTS, authorized.reason);
      case 'identified':
        return this.#answer(await this.#identified(authorized.held, account));
      case 'exists':
        if (!authorized.same) throw taken('authorization_consumed');
        if (authorized.payment.state === 'voided') return this.challenges.refused(now, HINTS, 'authorization_voided');
        return this.#answer(await this.#captured(authorized.payment, account));
      case 'claimed':
        return this.#answer(await this.#captured(authorized.payment, account));
    }
  }

  async #identified({ payment: id, differs }: Held, account: string | undefined): Promise<PaymentRow> {
    const payment = differs === undefined ? await this.payments.find(id) : undefined;
    if (payment?.origin !== 'topup') throw taken('payment_identifier_taken');
    return this.#captured(payment, account);
  }

  /** The account that an agent shows to be. The request itself names the attempt: the same proof may come with its payment. */
  async #prove(asked: BalanceToBuy, account: string): Promise<string> {
    const { provider, proof, proven } = asked;
    const digest = requestDigest(this.quotes.requestOf(asked));
    const attempt = `topup-${digest}`;
    const agent = await this.agents?.run({ provider, proof, request: proven, attempt, now: this.clock.now() });
    if (agent?.outcome !== 'agent') {
      const why = agent?.outcome === 'refused' ? agent.message : 'Nothing in this request shows who asks.';
      throw new Fault(
        'unauthenticated',
        `${why} To buy balance for an account show a key of it or sign in; without "account" it is that of the wallet that pays.`,
        { reason: agent?.outcome === 'refused' ? agent.reason : 'missing_proof' },
      );
    }
    if (agent.account === account) return account;
    throw new Fault('forbidden', 'This request shows another account than it names. Nothing was charged.', {
      reason: 'another_account',
    });
  }

  async #captured(payment: PaymentRow, account: string | undefined): Promise<PaymentRow> {
    if (payment.state !== 'reserved') return payment;
    await this.topUps.capture(this.ids.next(ID_PREFIXES.topUp), payment, account ?? payment.account);
    return (await this.payments.find(payment.id)) ?? payment;
  }

  /** The top-up as it stands once its payment is in a block, or when that was waited for long enough. */
  async #answer(payment: PaymentRow): Promise<WireReply> {
    const { publicUrl, releaseWaitMs } = this.settings;
    if (payment.state === 'reserved' || payment.state === 'voided') return reservationEnded();
    const now = await this.waiter.wait(payment, 'confirmed', releaseWaitMs);
    if (now.state === 'failed') return failedReply(now, publicUrl);
    const topUp = await this.topUps.ofPayment(payment.id);
    if (!topUp) throw new Fault('invariant_broken', `payment ${payment.id} bought balance and its top-up is gone`);
    const view = viewOfTopUp(topUp, publicUrl);
    const isIncluded = releases('confirmed', now);
    return {
      status: isIncluded ? 201 : 202,
      headers: {
        // A pending settlement names its transfer, so there is nothing to say before one was signed.
        ...(now.transaction === undefined ? {} : settlementHeaders(now, publicUrl, isIncluded)),
        'content-type': 'application/json',
        'cache-control': 'private, no-store',
        location: view.statusUrl,
        ...(isIncluded ? {} : { 'retry-after': '2' }),
      },
      body: Buffer.from(JSON.stringify({ topUp: view })).toString('base64'),
    };
  }
}

/** Lower-case hex digest of what a claim pays for: never that of a call, whatever is quoted. */
const bindingOf = ({ provider, request, asset }: Quote, { to, value }: ExactAuthorization): string =>
  createHash('sha256')
    .update(
      `topup\n${exactBindingText({
        provider,
        request: requestDigest(request),
        network: asset.network,
        asset: asset.domain.address,
        payTo: to,
        amount: value,
      })}`,
    )
    .digest('hex');
