import { Fault } from '@core/faults';
import { capturePayment } from '@core/ledger';
import { amount, assetId, formatDecimal, parseDecimal } from '@core/money';
import { captureExact, releases } from '@core/payments';
import { postings } from '@features/ledger';
import { GroupCommit } from '@platform/database';
import type { CaptureDecision, WireReply } from '../gate/gate-decisions.js';
import type { Payees } from '../gate/payees.js';
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
}

type Captured =
  | { readonly outcome: 'captured'; readonly payment: PaymentRow }
  | { readonly outcome: 'unknown' }
  | { readonly outcome: 'invalid'; readonly message: string };

/** Answers larger than this are not kept: the same payment presented again then gets a 409 that says so. */
const KEPT_BYTES = 256 * 1024;
/** Most captures written together. */
const BATCH = 256;
/** Revenue of payments settled for servers that price for themselves. */
const FACILITATED = 'facilitator';

/**
 * The request was served: fixes the charge, keeps the answer, records the usage, posts the entry and wakes the settler, all
 * in one transaction, then waits for as much settlement as the price asks before the answer may leave.
 */
export class CaptureExact {
  readonly #captures: GroupCommit<Item, Captured>;

  constructor(
    private readonly store: PaymentStore,
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
    const decided = items.map((item) => decide(item, payments.get(item.payment)));
    const captures = new Map(
      decided.flatMap((each) => ('capture' in each ? [[each.capture.id, each.capture] as const] : [])),
    );
    const now = await this.store.capture([...captures.values()]);
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
}

function decide(item: Item, payment: PaymentRow | undefined): Captured | { capture: CaptureItem; served: PaymentRow } {
  // What buys balance is captured where it is bought: nothing is served for it.
  if (payment?.provider !== item.provider || payment.origin === 'topup') return { outcome: 'unknown' };
  if (payment.state !== 'reserved') return { outcome: 'captured', payment };
  const measured = item.quantity === undefined ? undefined : parseDecimal(item.quantity);
  if (item.quantity !== undefined && !measured)
    return { outcome: 'invalid', message: 'quantity has to be a plain decimal such as "2.5".' };
  const quoted = parseDecimal(payment.quantity ?? '1');
  if (!quoted) throw new Fault('invariant_broken', `payment ${payment.id} has no readable quantity`);
  const verdict = captureExact(payment.amount, quoted, measured);
  if (!verdict.ok) return { outcome: 'invalid', message: `${verdict.message}.` };
  const quantity = formatDecimal(verdict.quantity);
  const entry = capturePayment({
    provider: payment.provider,
    account: payment.account,
    payment: payment.id,
    charged: amount(assetId(payment.assetId), verdict.charged),
    meter: payment.meter ?? FACILITATED,
  });
  return {
    capture: {
      id: payment.id,
      provider: payment.provider,
      charged: verdict.charged,
      quantity,
      reply: item.reply && Buffer.byteLength(item.reply.body, 'base64') <= KEPT_BYTES ? item.reply : undefined,
      transfers: postings([entry]),
    },
    served: { ...payment, state: 'served', charged: verdict.charged, quantity },
  };
}
