import type { IdSource } from '@core/ids';
import type { PayableAssets } from '@core/payments';
import type { ChainReader } from '@core/settlement';
import type { Clock } from '@core/time';
import type { AuthorizationVerifier } from '@core/x402';
import type { PriceBookCache } from '@features/pricing';
import type { Database, Writer } from '@platform/database';
import { DiscoverResources } from './discovery/discover-resources.js';
import { ListResources, PublishResource, WithdrawResource } from './discovery/publish-resource.js';
import { AuthorizePayment } from './exact/authorize-payment.js';
import { CaptureExact } from './exact/capture-exact.js';
import { ExactWay } from './exact/exact-way.js';
import { PaymentStore } from './exact/payments.store.js';
import { Reservations } from './exact/reservations.js';
import { ListSupported, SettleFacilitated, VerifyFacilitated } from './facilitator/facilitate.js';
import { Challenges } from './gate/challenge.js';
import { CheckPayment } from './gate/check-payment.js';
import { CapturePayment, ExtendPayment, ReadPayment, VoidPayment } from './gate/handle-payment.js';
import { Payees } from './gate/payees.js';
import { PaymentIdentifiers } from './gate/payment-identifiers.js';
import { PriceRequest } from './gate/price-request.js';
import { QuoteSealer } from './gate/quote-sealer.js';
import { ReleaseWaiter } from './gate/release-waiter.js';

/** What the feature needs from the rim. */
export interface PaymentsPorts {
  readonly database: Database;
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
  readonly extend: ExtendPayment;
  readonly void: VoidPayment;
  readonly read: ReadPayment;
  readonly verifyFacilitated: VerifyFacilitated;
  readonly settleFacilitated: SettleFacilitated;
  readonly supported: ListSupported;
  readonly publish: PublishResource;
  readonly published: ListResources;
  readonly withdraw: WithdrawResource;
  readonly discover: DiscoverResources;
  close(): Promise<void>;
}

/** Wires the feature. One per process: claims and captures of all requests share its group commits. */
export function openPayments({
  database,
  writer,
  book,
  chain,
  verifier,
  clock,
  ids,
  assets,
  settings,
}: PaymentsPorts): Payments {
  const store = new PaymentStore(writer, settings.exposureCap);
  const identifiers = new PaymentIdentifiers(writer);
  const reservations = new Reservations();
  const payees = new Payees(writer, clock);
  const waiter = new ReleaseWaiter(writer, store);
  const sealer = new QuoteSealer(settings.quoteSecret);
  const prices = new PriceRequest(book, payees, assets, clock, settings.quoteSeconds);
  const authorize = new AuthorizePayment(
    store,
    identifiers,
    reservations,
    verifier,
    chain,
    clock,
    ids,
    settings.staleSeconds,
  );
  const captureExact = new CaptureExact(store, reservations, payees, waiter, settings);
  const exact = new ExactWay(prices, authorize, captureExact, store, payees, waiter, assets, clock, settings);
  const schemes = [exact];
  const ways = [...schemes];
  const challenges = new Challenges(sealer, clock, settings.quoteSeconds, schemes);
  return {
    check: new CheckPayment(prices, challenges, sealer, exact, schemes, assets),
    capture: new CapturePayment(ways),
    extend: new ExtendPayment(ways),
    void: new VoidPayment(ways),
    read: new ReadPayment(ways),
    verifyFacilitated: new VerifyFacilitated(authorize, store, payees, assets),
    settleFacilitated: new SettleFacilitated(authorize, captureExact, payees, waiter, assets, settings),
    supported: new ListSupported(store, assets),
    publish: new PublishResource(database, prices, ids, clock),
    published: new ListResources(database),
    withdraw: new WithdrawResource(database),
    discover: new DiscoverResources(writer, prices, challenges),
    close: () => waiter.close(),
  };
}
