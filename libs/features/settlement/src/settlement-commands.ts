import type { IdSource } from '@core/ids';
import type { ChannelChain, CrashPoint, SettlementRail } from '@core/settlement';
import type { Ledger } from '@features/ledger';
import type { Writer } from '@platform/database';
import { ClaimChannels } from './channels/claim-channels.js';
import type { ClaimTerms } from './channels/claim-terms.js';
import { ClaimsStore } from './channels/claims.store.js';
import { WatchChannels } from './channels/watch-channels.js';
import { ConfirmSettlement } from './confirm-settlement.js';
import { HandOver } from './hand-over.js';
import { PaymentsStore } from './payments.store.js';
import { JudgeOrders } from './relay/judge-orders.js';
import { OrdersStore } from './relay/orders.store.js';
import { RelayOrders } from './relay/relay-orders.js';
import { ResolvePayments } from './resolve-payments.js';
import type { SettlementTerms } from './settlement-terms.js';
import { SignersStore } from './signers.store.js';
import { SubmitSettlement } from './submit-settlement.js';
import { TransactionsStore } from './transactions.store.js';

export interface SettlementCommands {
  readonly submit: SubmitSettlement;
  readonly confirm: ConfirmSettlement;
  readonly channels: { readonly claim: ClaimChannels; readonly watch: WatchChannels } | undefined;
  /** What servers of their own order, where channels can be reached. */
  readonly relay: RelayOrders | undefined;
}

/** The commands that write to one chain, built over the same stores. */
export function settlementCommands(parts: {
  db: Writer;
  rail: SettlementRail;
  ledger: Ledger;
  ids: IdSource;
  crash: CrashPoint;
  terms: SettlementTerms;
  /** Absent where channels are not offered. */
  channels?: { readonly chain: ChannelChain; readonly terms: ClaimTerms } | undefined;
  /** Absent where nothing is carried for other servers. */
  relay?: ChannelChain | undefined;
}): SettlementCommands {
  const { db, rail, ledger, ids, crash, terms, channels, relay } = parts;
  const payments = new PaymentsStore(db);
  const transactions = new TransactionsStore(db);
  const signers = new SignersStore(db);
  const claims = new ClaimsStore(db);
  const resolve = new ResolvePayments(db, payments, rail, ledger);
  const handOver = new HandOver(db, payments, transactions, signers, rail, crash);
  return {
    submit: new SubmitSettlement(db, payments, transactions, signers, resolve, handOver, rail, ids, crash, terms),
    confirm: new ConfirmSettlement(db, payments, transactions, signers, handOver, rail, ledger, crash, terms),
    channels: channels && {
      claim: new ClaimChannels(
        db,
        claims,
        transactions,
        signers,
        handOver,
        rail,
        channels.chain,
        ids,
        crash,
        terms,
        channels.terms,
      ),
      watch: new WatchChannels(db, claims, rail, channels.chain, ledger),
    },
    relay:
      relay &&
      new RelayOrders(
        db,
        new OrdersStore(db),
        new JudgeOrders(rail, relay),
        transactions,
        signers,
        handOver,
        rail,
        relay,
        ids,
        crash,
        terms,
      ),
  };
}
