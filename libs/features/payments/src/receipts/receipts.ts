import type { DocumentSigner } from '@core/records';
import { type Clock, epochSeconds } from '@core/time';
import { OFFER_RECEIPT, type ReceiptPayload, signedReceipt } from '@core/x402';

/** What a receipt is given for. */
export interface ReceiptedPayment {
  readonly payer: string;
  /** CAIP-2 */
  readonly network: string;
  /** As the offer named it. */
  readonly resource: string;
  readonly transaction?: string | undefined;
}

/** Signs that a payer was served what it paid for. */
export class Receipts {
  constructor(
    private readonly signer: DocumentSigner,
    private readonly clock: Clock,
  ) {}

  /** The extension of a settlement that succeeded. */
  extensionFor({ payer, network, resource, transaction }: ReceiptedPayment): Readonly<Record<string, unknown>> {
    const payload: ReceiptPayload = {
      version: 1,
      network,
      resourceUrl: resource,
      payer,
      issuedAt: epochSeconds(this.clock.now()),
      ...(transaction === undefined ? {} : { transaction }),
    };
    return { [OFFER_RECEIPT]: signedReceipt(this.signer.sign({ ...payload })) };
  }
}
