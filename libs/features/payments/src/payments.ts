import type { IdSource } from '@core/ids';
import type { PayableAssets } from '@core/payments';
import type { DocumentSigner } from '@core/records';
import type { ChainReader } from '@core/settlement';
import type { Clock } from '@core/time';
import type { AuthorizationVerifier } from '@core/x402';
import type { Agents } from '@features/accounts';
import type { PriceBookCache } from '@features/pricing';
import { Holds } from '@features/wallet';
import type { Database, Writer } from '@platform/database';
import { DiscoverResources } from './discovery/discover-resources.js';
import { ListResources, PublishResource, WithdrawResource } from './discovery/publish-resource.js';
import { AuthorizePayment } from './exact/authorize-payment.js';
import { CaptureExact } from './exact/capture-exact.js';
import type { AuthorizeCredit } from './credit/authorize-credit.js';
import type { CheckOwnSignature } from './credit/credit-authority.js';
import { openCredit } from './credit/open-credit.js';
import { ClaimPayment } from './exact/claim-payment.js';
import { ExactWay } from './exact/exact-way.js';
import { openChannelRelay } from './facilitator/channels/open-channel-relay.js';
import type { RelayDoors } from './facilitator/channels/relay-doors.js';
import type { ChannelDoors } from './channels/channel-doors.js';
import { openChannelWay } from './channels/open-channel-way.js';
import { PaymentStore } from './exact/payments.store.js';
import { Reservations } from './exact/reservations.js';
import { FacilitateExact } from './facilitator/exact/facilitate-exact.js';
import { FacilitateUpto } from './facilitator/upto/facilitate-upto.js';
import { FacilitatedSchemes, ListSupported, SettleFacilitated, VerifyFacilitated } from './facilitator/facilitate.js';
import { Challenges } from './gate/challenge.js';
import { CheckPayment } from './gate/check-payment.js';
import { CapturePayment, ExtendPayment, ReadPayment, VoidPayment } from './gate/handle-payment.js';
import { Payees } from './gate/payees.js';
import { PayUnderName } from './gate/pay-under-name.js';
import { PaymentIdentifiers } from './gate/payment-identifiers.js';
import { PriceRequest } from './gate/price-request.js';
import { QuoteSealer } from './gate/quote-sealer.js';
import { ReleaseWaiter } from './gate/release-waiter.js';
import type { PaymentScheme, WayToPay } from './gate/way-to-pay.js';
import { PrepaidWay } from './prepaid/prepaid-way.js';
import { ReadRecord } from './receipts/read-record.js';
import { Receipts } from './receipts/receipts.js';
import { RecordStore } from './receipts/record.store.js';
import { SignedOffers } from './receipts/signed-offers.js';
import type { Sale, ShownHeaders } from './sales/sale.js';
import { Sell, type SellParts } from './sales/sell.js';
import { openTopUps, type TopUps } from './topups/open-topups.js';
import { openUpto } from './upto/open-upto.js';
import type { UptoDoors } from './upto/upto-doors.js';

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
  /** Absent where agents are not known by more than what they sign: no balances then. */
  readonly agents?: Pick<Agents, 'authenticate' | 'offerSignIn'> | undefined;
  /** Absent where channels are not offered. */
  readonly channels?: ChannelDoors | undefined;
  /** Absent where nothing is carried for servers that keep channels themselves. */
  readonly relay?: RelayDoors | undefined;
  /** Absent where ceilings are not offered. */
  readonly upto?: UptoDoors | undefined;
  /** Signs offers, receipts and usage records; absent: there are none. */
  readonly signer?: DocumentSigner | undefined;
  /** Checks what it signed; absent: no attestations of credit are issued or taken. */
  readonly checkSignature?: CheckOwnSignature | undefined;
  readonly settings: {
    /** Where agents reach the api: status URLs begin with it. */
    readonly publicUrl: string;
    readonly quoteSecret: string;
    readonly quoteSeconds: number;
    readonly releaseWaitMs: number;
    /** What a facilitator's settle waits for the chain at most; a minute when absent. */
    readonly settleWaitMs?: number | undefined;
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
  readonly record: ReadRecord;
  readonly verifyFacilitated: VerifyFacilitated;
  readonly settleFacilitated: SettleFacilitated;
  readonly supported: ListSupported;
  /** Absent where agents are not known by more than what they sign. */
  readonly authorizeCredit: AuthorizeCredit | undefined;
  readonly publish: PublishResource;
  readonly published: ListResources;
  readonly withdraw: WithdrawResource;
  readonly discover: DiscoverResources;
  readonly topUps: TopUps;
  /** Sells something else of ours, of a feature to the right. */
  sell<Asked extends ShownHeaders>(sale: Sale<Asked>): Sell<Asked>;
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
  agents,
  channels,
  relay,
  upto,
  signer,
  checkSignature,
  settings,
}: PaymentsPorts): Payments {
  const store = new PaymentStore(writer, settings.exposureCap);
  const identifiers = new PaymentIdentifiers(writer);
  const reservations = new Reservations();
  const payees = new Payees(writer, clock);
  const waiter = new ReleaseWaiter(writer, store);
  const sealer = new QuoteSealer(settings.quoteSecret);
  const prices = new PriceRequest(book, payees, assets, clock, settings.quoteSeconds);
  const { staleSeconds, quoteSeconds } = settings;
  const claims = new ClaimPayment(store, identifiers, reservations, ids);
  const authorize = new AuthorizePayment(claims, verifier, chain, clock, staleSeconds);
  const answers = { ...settings, receipts: signer && new Receipts(signer, clock) };
  const captureExact = new CaptureExact(store, prices, reservations, payees, waiter, answers);
  const parts = { captures: captureExact, store, payees, waiter, settings: answers };
  const exact = new ExactWay(parts, prices, authorize, assets, clock, quoteSeconds);
  const ceilings =
    upto &&
    openUpto({
      ...{ doors: upto, parts, chain, clock, staleSeconds },
      // Claims of ceilings are written by themselves, so that those of `exact` do not pay for what is particular to them.
      claims: new ClaimPayment(store, identifiers, reservations, ids),
    });
  const channelWay =
    channels && openChannelWay({ doors: channels, writer, book, chain, payments: store, waiter, clock, ids, settings });
  // A voucher costs no gas: where both can be paid, channels are named first. A ceiling costs a transaction of its own, and comes last.
  const holds = new Holds(writer, ids);
  const prepaid = agents && new PrepaidWay(prices, agents.authenticate, holds, clock, settings);
  const credit =
    agents &&
    prepaid &&
    openCredit({
      writer,
      prepaid,
      holds,
      names: identifiers,
      agents,
      signer,
      checkSignature,
      assets,
      clock,
      ids,
      settings,
    });
  const schemes: readonly PaymentScheme[] = [
    ...(channelWay ? [channelWay] : []),
    exact,
    ...(ceilings ? [ceilings.way] : []),
    // Clients that know no credit have chosen before they come to it.
    ...(credit ? [credit.way] : []),
  ];
  // From the claim on, what was signed for a ceiling is a payment like one of `exact`.
  const ways: readonly WayToPay[] = [...(channelWay ? [channelWay] : []), exact, ...(prepaid ? [prepaid] : [])];
  const read = new ReadPayment(ways);
  const challenges = new Challenges(
    sealer,
    clock,
    settings.quoteSeconds,
    schemes,
    signer && new SignedOffers(signer),
    agents?.offerSignIn,
  );
  const channelRelay =
    relay && openChannelRelay({ doors: relay, writer, chain, payees, store, assets, clock, ids, settings });
  const facilitated = new FacilitatedSchemes(
    new FacilitateExact(authorize, captureExact, store, payees, waiter, assets, settings),
    ...(ceilings
      ? [
          new FacilitateUpto(
            ceilings.doors,
            ceilings.check,
            ceilings.authorize,
            captureExact,
            store,
            payees,
            waiter,
            assets,
            settings,
          ),
        ]
      : []),
    ...(channelRelay ? [channelRelay.scheme] : []),
    ...(credit?.facilitated ? [credit.facilitated] : []),
  );
  const signIn = agents?.offerSignIn;
  const sales: SellParts = { authorize, exact, payments: store, payees, waiter, assets, signIn, clock, settings };
  return {
    check: new CheckPayment(prices, challenges, sealer, exact, schemes, assets, prepaid, new PayUnderName(identifiers)),
    capture: new CapturePayment(ways),
    extend: new ExtendPayment(ways),
    void: new VoidPayment(ways),
    read,
    record: new ReadRecord(read, new RecordStore(writer), signer),
    verifyFacilitated: new VerifyFacilitated(facilitated),
    settleFacilitated: new SettleFacilitated(facilitated),
    supported: new ListSupported(facilitated),
    authorizeCredit: credit?.authorize,
    publish: new PublishResource(database, prices, ids, clock),
    published: new ListResources(database),
    withdraw: new WithdrawResource(database),
    discover: new DiscoverResources(writer, prices, challenges),
    topUps: openTopUps({ sales, database, writer, payees, verifier, chain, assets, agents, clock, ids, settings }),
    sell: (sale) => new Sell(sales, sale),
    close: async () => {
      await Promise.all([waiter.close(), channelRelay?.close()]);
    },
  };
}
