import type { IdSource } from '@core/ids';
import type { PayableAssets } from '@core/payments';
import type { ChainReader } from '@core/settlement';
import type { Clock } from '@core/time';
import type { AuthorizationVerifier } from '@core/x402';
import type { Agents } from '@features/accounts';
import type { Database, Writer } from '@platform/database';
import type { Payees } from '../gate/payees.js';
import { Sell, type SellParts } from '../sales/sell.js';
import { BalanceSale, type BalanceToBuy } from './balance-sale.js';
import { ReadTopUp } from './read-top-up.js';
import { RefundsStore } from './refunds.store.js';
import { AuthorizeRefund, ReadRefunds } from './send-refund.js';
import { ReadTopUpSettings, SetTopUpSettings } from './top-up-settings.js';
import { TopUpsStore } from './topups.store.js';

/** Balance that is bought, and balance that goes back. */
export interface TopUps {
  readonly buy: Sell<BalanceToBuy>;
  readonly read: ReadTopUp;
  readonly settings: ReadTopUpSettings;
  readonly set: SetTopUpSettings;
  readonly refunds: ReadRefunds;
  readonly authorizeRefund: AuthorizeRefund;
}

export function openTopUps(parts: {
  readonly sales: SellParts;
  readonly database: Database;
  readonly writer: Writer;
  readonly payees: Payees;
  readonly verifier: AuthorizationVerifier;
  readonly chain: ChainReader;
  readonly assets: PayableAssets;
  readonly agents: Pick<Agents, 'authenticate'> | undefined;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly settings: { readonly publicUrl: string };
}): TopUps {
  const { sales, database, writer, payees, verifier, chain, assets, agents, clock, ids, settings } = parts;
  const store = new TopUpsStore(writer);
  const refunds = new RefundsStore(writer);
  return {
    buy: new Sell(sales, new BalanceSale(store, agents?.authenticate, assets, clock, ids, settings)),
    read: new ReadTopUp(store, settings),
    settings: new ReadTopUpSettings(database),
    set: new SetTopUpSettings(database),
    refunds: new ReadRefunds(refunds, payees, assets, clock),
    authorizeRefund: new AuthorizeRefund(refunds, payees, verifier, chain, assets, ids, settings),
  };
}
