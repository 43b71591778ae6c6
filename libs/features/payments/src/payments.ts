import type { IdSource } from '@core/ids';
import type { PayableAssets } from '@core/payments';
import type { ChainReader } from '@core/settlement';
import type { Clock } from '@core/time';
import type { AuthorizationVerifier } from '@core/x402';
import type { PriceBookCache } from '@features/pricing';
import type { Writer } from '@platform/database';
import { AuthorizePayment } from './authorize-payment.js';
import { CapturePayment } from './capture-payment.js';
import { Challenges } from './challenge.js';
import { CheckPayment } from './check-payment.js';
import { ListSupported, SettleFacilitated, VerifyFacilitated } from './facilitate.js';
import { Payees } from './payees.js';
import { PaymentStore } from './payments.store.js';
import { PriceRequest } from './price-request.js';
import { QuoteSealer } from './quote-sealer.js';
import { ReadPayment } from './read-payment.js';
import { Reservations } from './reservations.js';
import { ReleaseWaiter } from './release-waiter.js';
import { VoidPayment } from './void-payment.js';

/** What the feature needs from the rim. */
export interface PaymentsPorts {
  readonly writer: Writer;
  readonly book: PriceBookCache;
  readonly chain: ChainReader;
  readonly verifier: AuthorizationVerifier;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly assets: PayableAssets;
  readonly settings: {
    /** Where agents reach the api: status URLs begin with it. */
    readonly publicUrl: string;
    readonly quoteSecret: string;
    readonly quoteSeconds: number;
    readonly releaseWaitMs: number;
    /** Age of the chain's head beyond which no payment is taken. */
    readonly staleSeconds: number;
    /** Most that may be unsettled in all, atomic units of each asset; undefined: no such cap. */
    readonly exposureCap: bigint | undefined;
  };
}

/** The commands of the paid path, wired. */
export interface Payments {
  readonly check: CheckPayment;
  readonly capture: CapturePayment;
  readonly void: VoidPayment;
  readonly read: ReadPayment;
  readonly verifyFacilitated: VerifyFacilitated;
  readonly settleFacilitated: SettleFacilitated;
  readonly supported: ListSupported;
  close(): Promise<void>;
}

/** Wires the feature. One per process: claims and captures of all requests share its group commits. */
export function openPayments({ writer, book, chain, verifier, clock, ids, assets, settings }: PaymentsPorts): Payments {
  const store = new PaymentStore(writer, settings.exposureCap);
  const reservations = new Reservations();
  const payees = new Payees(writer, clock);
  const waiter = new ReleaseWaiter(writer, store);
  const sealer = new QuoteSealer(settings.quoteSecret);
  const prices = new PriceRequest(book, payees, assets, clock, settings.quoteSeconds);
  const challenges = new Challenges(sealer, clock, settings.quoteSeconds);
  const authorize = new AuthorizePayment(store, reservations, verifier, chain, clock, ids, settings.staleSeconds);
  const capture = new CapturePayment(store, reservations, payees, waiter, settings);
  return {
    check: new CheckPayment(prices, challenges, sealer, authorize, store, payees, waiter, assets, clock, settings),
    capture,
    void: new VoidPayment(store, settings),
    read: new ReadPayment(store, settings),
    verifyFacilitated: new VerifyFacilitated(authorize, store, payees, assets),
    settleFacilitated: new SettleFacilitated(authorize, capture, payees, waiter, assets, settings),
    supported: new ListSupported(store, assets),
    close: () => waiter.close(),
  };
}
