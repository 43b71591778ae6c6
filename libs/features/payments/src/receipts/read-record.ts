import { type DocumentSigner, jsonOf, RECORD_TYPE, type UsageRecord } from '@core/records';
import type { PaymentView } from '../gate/gate-decisions.js';
import type { ReadPayment } from '../gate/handle-payment.js';
import type { RecordedPayment, RecordStore } from './record.store.js';

export type RecordDecision =
  | {
      readonly outcome: 'signed';
      /** Compact JWS over the record. */
      readonly jws: string;
    }
  | { readonly outcome: 'unknown_payment' | 'no_signing_key' };

/**
 * The signed usage record of a payment, made from what is stored when it is asked for: it costs the paid path nothing. The same
 * payment in the same state gives the same bytes; as its settlement moves on, so does the record.
 */
export class ReadRecord {
  constructor(
    private readonly payments: Pick<ReadPayment, 'run'>,
    private readonly records: RecordStore,
    private readonly signer: DocumentSigner | undefined,
  ) {}

  async run(id: string): Promise<RecordDecision> {
    if (!this.signer) return { outcome: 'no_signing_key' };
    const view = await this.payments.run(id);
    const stored = view && (await this.records.find(view.id));
    if (!stored) return { outcome: 'unknown_payment' };
    return { outcome: 'signed', jws: this.signer.sign(jsonOf(recordOf(view, stored)), RECORD_TYPE) };
  }
}

function recordOf(view: PaymentView, { unit, price, ...stored }: RecordedPayment): UsageRecord {
  const { meter, quantity, priceVersion } = view;
  return {
    type: 'farebox.usage-record',
    version: 1,
    payment: view.id,
    provider: stored.provider,
    account: view.account,
    payer: view.payer,
    way: stored.way,
    quote: {
      digest: stored.digest,
      network: view.network,
      asset: view.asset,
      payTo: stored.payTo,
      ceiling: view.amount,
    },
    usage: meter !== undefined && quantity !== undefined && unit !== undefined ? { meter, quantity, unit } : undefined,
    price: price && priceVersion !== undefined ? { version: priceVersion, ...price } : undefined,
    charged: view.charged,
    settlement: { status: view.status, transaction: view.transaction },
    ledger: { entries: [...stored.entries] },
    reservedAt: stored.reservedAt,
    servedAt: stored.servedAt,
  };
}
