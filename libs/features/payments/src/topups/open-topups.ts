import type { IdSource } from '@core/ids';
import type { PayableAssets } from '@core/payments';
import type { ChainReader } from '@core/settlement';
import type { Clock } from '@core/time';
import type { AuthorizationVerifier } from '@core/x402';
import type { Agents } from '@features/accounts';
import type { Database, Writer } from '@platform/database';
import type { AuthorizePayment } from '../exact/authorize-payment.js';
import type { ExactWay } from '../exact/exact-way.js';
import type { PaymentStore } from '../exact/payments.store.js';
import { Challenges } from '../gate/challenge.js';
import type { Payees } from '../gate/payees.js';
import { QuoteSealer } from '../gate/quote-sealer.js';
import type { ReleaseWaiter } from '../gate/release-waiter.js';
import { BuyBalance } from './buy-balance.js';
import { QuoteTopUp } from './quote-top-up.js';
import { ReadTopUp } from './read-top-up.js';
import { RefundsStore } from './refunds.store.js';
import { AuthorizeRefund, ReadRefunds } from './send-refund.js';
import { ReadTopUpSettings, SetTopUpSettings } from './top-up-settings.js';
import { TopUpsStore } from './topups.store.js';

/** Balance that is bought, and balance that goes back. */
export interface TopUps {
  readonly buy: BuyBalance;
  readonly read: ReadTopUp;
  readonly settings: ReadTopUpSettings;
  readonly set: SetTopUpSettings;
  readonly refunds: ReadRefunds;
  readonly authorizeRefund: AuthorizeRefund;
}

export function openTopUps(parts: {
  database: Database;
  writer: Writer;
  authorize: AuthorizePayment;
  exact: ExactWay;
  payments: PaymentStore;
  payees: Payees;
  waiter: ReleaseWaiter;
  verifier: AuthorizationVerifier;
  chain: ChainReader;
  assets: PayableAssets;
  agents: Pick<Agents, 'authenticate' | 'offerSignIn'> | undefined;
  clock: Clock;
  ids: IdSource;
  settings: {
    readonly publicUrl: string;
    readonly quoteSecret: string;
    readonly quoteSeconds: number;
    readonly releaseWaitMs: number;
  };
}): TopUps {
  const { database, writer, authorize, exact, payments, payees, waiter, verifier, chain, assets, agents } = parts;
  const { clock, ids, settings } = parts;
  const store = new TopUpsStore(writer);
  const refunds = new RefundsStore(writer);
  // Its own key: an offer of balance is never taken for one of a call, nor the other way round.
  const sealer = new QuoteSealer(`${settings.quoteSecret}\nbalance`);
  const challenges = new Challenges(sealer, clock, settings.quoteSeconds, [exact], undefined, agents?.offerSignIn);
  return {
    buy: new BuyBalance(
      new QuoteTopUp(store, payees, assets, clock, settings),
      challenges,
      sealer,
      authorize,
      payments,
      store,
      waiter,
      agents?.authenticate,
      assets,
      clock,
      ids,
      settings,
    ),
    read: new ReadTopUp(store, settings),
    settings: new ReadTopUpSettings(database),
    set: new SetTopUpSettings(database),
    refunds: new ReadRefunds(refunds, payees, assets, clock),
    authorizeRefund: new AuthorizeRefund(refunds, payees, verifier, chain, assets, ids, settings),
  };
}
