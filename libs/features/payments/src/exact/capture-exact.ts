import { Fault } from '@core/faults';
import { capturePayment } from '@core/ledger';
import { amount, assetId, formatDecimal, parseDecimal } from '@core/money';
import { captureExact, chargeVoucher, releases } from '@core/payments';
import { postings } from '@features/ledger';
import { GroupCommit } from '@platform/database';
import type { CaptureDecision, WireReply } from '../gate/gate-decisions.js';
import type { Payees } from '../gate/payees.js';
import type { PriceRequest } from '../gate/price-request.js';
import { viewOf } from '../gate/payment-view.js';
import type { CaptureItem, PaymentRow, PaymentStore } from '../exact/payments.store.js';
import type { Reservations } from '../exact/reservations.js';
import { reservationEnded, unknownPayment } from '../gate/refusals.js';
import type { ReleaseWaiter } from '../gate/release-waiter.js';
import type { Receipts } from '../receipts/receipts.js';
import type { RequestToCapture } from '../gate/way-to-pay.js';
import { failedReply, pendingReply, settlementHeaders } from '../gate/wire-replies.js';

interface Item {
  readonly provider: string;
  readonly payment: string;
  readonly quantity: string | undefined;
  readonly reply: WireReply | undefined;
  /** What is charged of a ceiling, where it is not the price of the quantity. */
  readonly charged?: bigint | undefined;
}

type Captured =
  | { readonly outcome: 'captured'; readonly payment: PaymentRow }
  | { readonly outcome: 'unknown' }
  | { readonly outcome: 'invalid'; readonly message: string }
  | { readonly outcome: 'fault'; readonly fault: Fault };

type Decided = Captured | { readonly capture: CaptureItem; readonly served: PaymentRow };

/** Answers larger than this are not kept: the same payment presented again then gets a 409 that says so. */
const KEPT_BYTES = 256 * 1024;
/** Most captures written together. */
const BATCH = 256;
/** Revenue of payments settled for servers that price for themselves. */
const FACILITATED = 'facilitator';

/**
 * The request was served: fixes the charge, keeps the answer, records the usage, posts the entry and wakes the settler, all
 * in one transaction, then waits for as much settlement as the price asks before the answer may leave. Of a ceiling what was
 * measured is charged; where that is nothing the payment is let go, and nothing is sent.
 */
export class CaptureExact {
  readonly #captures: GroupCommit<Item, Captured>;

  constructor(
    private readonly store: PaymentStore,
    private readonly prices: Pick<PriceRequest, 'atVersion'>,
    private readonly reservations: Reservations,
    private readonly payees: Payees,
    private readonly waiter: ReleaseWaiter,
    private readonly settings: {
      readonly publicUrl: string;
      readonly releaseWaitMs: number;
      readonly receipts?: Receipts | undefined;
    },
  ) {
    this.#captures = new GroupCommit((items) => this.#write(items), BATCH);
  }

  /** @throws Fault not_found for a payment that is not this provider's, invalid_request for a quantity above the checked one. */
  async run({ provider, request }: { provider: string; request: RequestToCapture }): Promise<CaptureDecision> {
    const payment = await this.capture({
      provider,
      payment: request.payment,
      quantity: request.quantity,
      reply: request.reply,
    });
    const { publicUrl, releaseWaitMs, receipts } = this.settings;
    if (payment.unused) {
      const headers = settlementHeaders(payment, publicUrl, true, receipts);
      return { decision: 'release', payment: viewOf(payment, publicUrl), headers };
    }
    if (payment.state === 'reserved' || payment.state === 'voided') {
      return { decision: 'withhold', payment: viewOf(payment, publicUrl), reply: reservationEnded() };
    }
    const level = await this.payees.releaseOf(payment);
    const now = await this.waiter.wait(payment, level, releaseWaitMs);
    const view = viewOf(now, publicUrl);
    if (now.state === 'failed') return { decision: 'withhold', payment: view, reply: failedReply(now, publicUrl) };
    if (!releases(level, now)) return { decision: 'withhold', payment: view, reply: pendingReply(now, publicUrl) };
    return { decision: 'release', payment: view, headers: settlementHeaders(now, publicUrl, true, receipts) };
  }

  /** The capture alone; a payment that was captured, voided or expired before is answered as it is. */
  async capture(item: Item): Promise<PaymentRow> {
    const captured = await this.#captures.add(item);
    switch (captured.outcome) {
      case 'captured':
        return captured.payment;
      case 'unknown':
        throw unknownPayment();
      case 'invalid':
        throw new Fault('invalid_request', captured.message, { reason: 'invalid_quantity' });
      case 'fault':
        throw captured.fault;
    }
  }

  /** As reserved by this process, or as the database has them. */
  async #payments(ids: readonly string[]): Promise<ReadonlyMap<string, PaymentRow>> {
    const reserved = ids.flatMap((id) => this.reservations.take(id) ?? []);
    const known = new Set(reserved.map(({ id }) => id));
    const others = await this.store.findMany(ids.filter((id) => !known.has(id)));
    return new Map([...others, ...reserved.map((payment) => [payment.id, payment] as const)]);
  }

  async #write(items: readonly Item[]): Promise<readonly Captured[]> {
    const payments = await this.#payments([...new Set(items.map((item) => item.payment))]);
    const decided = await Promise.all(items.map((item) => this.#decide(item, payments.get(item.payment))));
    const captures = new Map(
      decided.flatMap((each) => ('capture' in each ? [[each.capture.id, each.capture] as const] : [])),
    );
    const all = [...captures.values()];
    // A ceiling of which nothing was used is not captured; of `exact` no charge is nothing.
    const [charged, unused] = await Promise.all([
      this.store.capture(all.filter((capture) => capture.charged > 0n)),
      this.store.voidUnused(all.filter((capture) => capture.charged === 0n)),
    ]);
    const now = new Set([...charged, ...unused]);
    // What another call captured, voided or let expire meanwhile is read again; what we captured is known.
    const others = [...captures.keys()].filter((id) => !now.has(id));
    const reread = await this.store.findMany(others);
    return decided.map((each) => {
      if (!('capture' in each)) return each;
      const { id } = each.capture;
      const payment = now.has(id) ? each.served : (reread.get(id) ?? each.served);
      return { outcome: 'captured', payment };
    });
  }

  async #decide(item: Item, payment: PaymentRow | undefined): Promise<Decided> {
    if (payment?.facilitator === undefined || item.quantity === undefined) return decide(item, payment, undefined);
    try {
      return decide(item, payment, await this.#priced(payment, item.quantity));
    } catch (error) {
      // One that cannot be priced does not spoil the others of its batch.
      if (error instanceof Fault) return { outcome: 'fault', fault: error };
      throw error;
    }
  }

  /** The price of what was measured, by the very version that was quoted; undefined where the rules refuse it anyway. */
  async #priced({ provider, meter, priceId }: PaymentRow, measured: string): Promise<bigint | undefined> {
    const quantity = parseDecimal(measured);
    if (!quantity || quantity.units < 0n || meter === undefined || priceId === undefined) return undefined;
    return (await this.prices.atVersion(provider, meter, priceId))(quantity);
  }
}

/** @param priced the price of what was measured of a ceiling */
function decide(item: Item, payment: PaymentRow | undefined, priced: bigint | undefined): Decided {
  // What is sold by us is captured where it is sold: nothing is served for it.
  if (payment?.provider !== item.provider || payment.origin === 'topup' || payment.origin === 'statement')
    return { outcome: 'unknown' };
  if (payment.state !== 'reserved') return { outcome: 'captured', payment };
  const measured = item.quantity === undefined ? undefined : parseDecimal(item.quantity);
  if (item.quantity !== undefined && !measured)
    return { outcome: 'invalid', message: 'quantity has to be a plain decimal such as "2.5".' };
  const quoted = parseDecimal(payment.quantity ?? '1');
  if (!quoted) throw new Fault('invariant_broken', `payment ${payment.id} has no readable quantity`);
  const verdict =
    payment.facilitator === undefined
      ? captureExact(payment.amount, quoted, measured)
      : chargeVoucher(payment.amount, quoted, measured ?? quoted, item.charged ?? priced ?? payment.amount);
  if (!verdict.ok) return { outcome: 'invalid', message: `${verdict.message}.` };
  const quantity = formatDecimal(verdict.quantity);
  const { charged } = verdict;
  const { provider, account, id, meter = FACILITATED } = payment;
  const entry =
    charged > 0n
      ? [capturePayment({ provider, account, payment: id, charged: amount(assetId(payment.assetId), charged), meter })]
      : [];
  return {
    capture: {
      id: payment.id,
      provider: payment.provider,
      charged: verdict.charged,
      quantity,
      reply: item.reply && Buffer.byteLength(item.reply.body, 'base64') <= KEPT_BYTES ? item.reply : undefined,
      transfers: postings(entry),
    },
    served:
      verdict.charged > 0n
        ? { ...payment, state: 'served', charged: verdict.charged, quantity }
        : { ...payment, state: 'voided', unused: true },
  };
}
