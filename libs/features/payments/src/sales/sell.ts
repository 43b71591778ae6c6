import { createHash } from 'node:crypto';
import { Fault } from '@core/faults';
import { type PayableAssets, type Quote, quoteLife, releases } from '@core/payments';
import { exactBindingText } from '@core/records';
import { type Clock, epochSeconds } from '@core/time';
import type { ExactAuthorization } from '@core/x402';
import type { OfferSignIn } from '@features/accounts';
import type { AuthorizePayment } from '../exact/authorize-payment.js';
import { claimKey } from '../exact/claim-payment.js';
import type { ExactWay } from '../exact/exact-way.js';
import type { PaymentRow, PaymentStore } from '../exact/payments.store.js';
import { Challenges } from '../gate/challenge.js';
import type { WireReply } from '../gate/gate-decisions.js';
import type { Held } from '../gate/identified.js';
import type { Payees } from '../gate/payees.js';
import { QuoteSealer, requestDigest } from '../gate/quote-sealer.js';
import { reservationEnded } from '../gate/refusals.js';
import type { ReleaseWaiter } from '../gate/release-waiter.js';
import { failedReply, settlementHeaders } from '../gate/wire-replies.js';
import { readShownPayment, type ShownPayment } from './read-shown-payment.js';
import type { Sale, ShownHeaders, Sold } from './sale.js';

type Payment = Exclude<ShownPayment, { readonly error: string }>;

const UNPAID = 'PAYMENT-SIGNATURE header is required';

const TAKEN = {
  authorization_consumed: 'This authorization already pays for something else. Sign a new one for this request.',
  payment_identifier_taken: 'This payment identifier names another purchase. Use a new identifier for a new purchase.',
} as const;

const taken = (reason: keyof typeof TAKEN): Fault => new Fault('conflict', TAKEN[reason], { reason });

/** What all sales stand on. */
export interface SellParts {
  readonly authorize: AuthorizePayment;
  readonly exact: ExactWay;
  readonly payments: PaymentStore;
  readonly payees: Payees;
  readonly waiter: ReleaseWaiter;
  readonly assets: PayableAssets;
  readonly signIn: OfferSignIn | undefined;
  readonly clock: Clock;
  readonly settings: {
    readonly publicUrl: string;
    readonly quoteSecret: string;
    readonly quoteSeconds: number;
    readonly releaseWaitMs: number;
  };
}

/**
 * Sells something of ours for an x402 payment of exactly its price. There is no work between claim and capture; a claim that was not
 * captured is captured when its payment is presented again.
 */
export class Sell<Asked extends ShownHeaders> {
  readonly #sealer: QuoteSealer;
  readonly #challenges: Challenges;

  constructor(
    private readonly parts: SellParts,
    private readonly sale: Sale<Asked>,
  ) {
    const { exact, clock, settings } = parts;
    const signIn = sale.asksWho ? parts.signIn : undefined;
    // Its own key: an offer of one thing is never taken for one of another, nor for one of a call.
    this.#sealer = new QuoteSealer(`${settings.quoteSecret}\n${sale.seal}`);
    this.#challenges = new Challenges(this.#sealer, clock, settings.quoteSeconds, [exact], undefined, signIn);
  }

  /**
   * @throws Fault not_found, invalid_request, conflict (not for sale on these terms; a payment or identifier that stands for something
   *   else), unauthenticated and forbidden for who may not buy, unavailable
   */
  async run(asked: Asked): Promise<WireReply> {
    const sold = await this.sale.sold(asked);
    const shown = readShownPayment(asked, sold, { sealer: this.#sealer, assets: this.parts.assets });
    const payment = shown && !('error' in shown) ? shown : undefined;
    // What was bought is answered from its claim, whatever became of price, buyer and quote since.
    const before = payment && (await this.#before(payment));
    if (before) return this.#answer(before);
    const quote = await this.#quote(asked, sold);
    const account = await this.sale.buyer(asked);
    if (!payment) return this.#refused(quote, shown && 'error' in shown ? shown.error : UNPAID);
    return this.#pay(asked, payment, quote, account);
  }

  async #quote(asked: Asked, sold: Sold): Promise<Quote> {
    const { payees, clock, settings } = this.parts;
    const payee = await payees.ofProvider(sold.provider);
    if (!payee) throw new Fault('not_found', 'There is no such provider.', { reason: 'unknown_provider' });
    return {
      ...sold,
      meterId: '',
      priceId: '',
      amount: await this.sale.price(asked, sold),
      payTo: payee.payTo,
      release: 'confirmed',
      ...quoteLife(epochSeconds(clock.now()), settings.quoteSeconds),
    };
  }

  #refused(quote: Quote, error: string): WireReply {
    return this.#challenges.refused(quote, this.sale.hints, error);
  }

  /** The payment, when it was presented for this before and has bought it. */
  async #before({ sold, authorization }: Payment): Promise<PaymentRow | undefined> {
    const known = await this.parts.payments.findClaim(claimKey(sold.asset, authorization));
    if (!known || known.binding !== this.#bindingOf(sold, authorization)) return undefined;
    if (known.state === 'reserved' || known.state === 'voided') return undefined;
    // Only who holds the signature learns what became of the payment.
    return this.parts.authorize.signedBy(sold.asset, authorization) ? known : undefined;
  }

  async #pay(asked: Asked, payment: Payment, now: Quote, account: string | undefined): Promise<WireReply> {
    const { authorization, identified } = payment;
    const quote = payment.quote ?? now;
    // An offer that is over, or of more than is asked for by now.
    if (quote.expiresAt <= epochSeconds(this.parts.clock.now()) || quote.amount > now.amount) {
      return this.#refused(now, 'quote_expired');
    }
    const authorized = await this.parts.authorize.run({
      provider: quote.provider,
      origin: this.sale.origin,
      asset: quote.asset,
      authorization,
      payTo: quote.payTo,
      amount: quote.amount,
      binding: this.#bindingOf(quote, authorization),
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
        return this.#refused(now, authorized.reason);
      case 'identified':
        return this.#capture(asked, now, await this.#identified(authorized.held), account);
      case 'exists':
        if (!authorized.same) throw taken('authorization_consumed');
        if (authorized.payment.state === 'voided') return this.#refused(now, 'authorization_voided');
        return this.#capture(asked, now, authorized.payment, account);
      case 'claimed':
        return this.#capture(asked, now, authorized.payment, account);
    }
  }

  async #identified({ payment: id, differs }: Held): Promise<PaymentRow> {
    const payment = differs === undefined ? await this.parts.payments.find(id) : undefined;
    if (payment?.origin !== this.sale.origin) throw taken('payment_identifier_taken');
    return payment;
  }

  async #capture(asked: Asked, now: Quote, payment: PaymentRow, account: string | undefined): Promise<WireReply> {
    if (payment.state !== 'reserved') return this.#answer(payment);
    const { payments } = this.parts;
    if ((await this.sale.capture(asked, payment, account ?? payment.account)) === 'gone') {
      await payments.void(payment.provider, payment.id, 'not for sale any more');
      const { provider, request, asset } = now;
      return this.#refused(await this.#quote(asked, { provider, request, asset }), 'quote_expired');
    }
    return this.#answer((await payments.find(payment.id)) ?? payment);
  }

  /** What was bought as it stands once its payment is in a block, or when that was waited for long enough. */
  async #answer(payment: PaymentRow): Promise<WireReply> {
    const { publicUrl, releaseWaitMs } = this.parts.settings;
    if (payment.state === 'reserved' || payment.state === 'voided') return reservationEnded();
    const now = await this.parts.waiter.wait(payment, 'confirmed', releaseWaitMs);
    if (now.state === 'failed') return failedReply(now, publicUrl);
    const { body, statusUrl } = await this.sale.show(now);
    const isIncluded = releases('confirmed', now);
    return {
      status: isIncluded ? 201 : 202,
      headers: {
        // A pending settlement names its transfer, so there is nothing to say before one was signed.
        ...(now.transaction === undefined ? {} : settlementHeaders(now, publicUrl, isIncluded)),
        'content-type': 'application/json',
        'cache-control': 'private, no-store',
        location: statusUrl,
        ...(isIncluded ? {} : { 'retry-after': '2' }),
      },
      body: Buffer.from(JSON.stringify(body)).toString('base64'),
    };
  }

  /** Lower-case hex digest of what a claim pays for. */
  #bindingOf({ provider, request, asset }: Sold, { to, value }: ExactAuthorization): string {
    const text = exactBindingText({
      provider,
      request: requestDigest(request),
      network: asset.network,
      asset: asset.domain.address,
      payTo: to,
      amount: value,
    });
    return createHash('sha256').update(`${this.sale.origin}\n${text}`).digest('hex');
  }
}
