import { Fault } from '@core/faults';
import { type PayableAssets, type Quote, type QuotedRequest, quoteLife } from '@core/payments';
import { type Clock, epochSeconds } from '@core/time';
import type { Payees } from '../gate/payees.js';
import { topUpUrl } from './top-up.js';
import type { TopUpsStore } from './topups.store.js';

/** The name under which balance is quoted. No meter can have it: it has a space. */
const SOLD_AS = 'prepaid balance';

/** What an agent asks to buy. */
export interface BalanceTerms {
  readonly provider: string;
  /** Atomic units of the token that is paid with. */
  readonly amount: bigint;
  /** Lower-case hex SHA-256 of the request's body, as sent. */
  readonly bodyDigest: string;
}

/** Prices balance: it costs what it is worth. Writes nothing. */
export class QuoteTopUp {
  constructor(
    private readonly store: TopUpsStore,
    private readonly payees: Payees,
    private readonly assets: PayableAssets,
    private readonly clock: Clock,
    private readonly settings: { readonly publicUrl: string; readonly quoteSeconds: number },
  ) {}

  /** The request as it is quoted and bound. */
  requestOf({ bodyDigest }: Pick<BalanceTerms, 'bodyDigest'>): QuotedRequest {
    return { method: 'POST', url: topUpUrl(this.settings.publicUrl), bodyDigest, meter: SOLD_AS, quantity: '1' };
  }

  /**
   * @throws Fault not_found (`unknown_provider`), invalid_request (`amount_out_of_range`, with the range), unavailable while no token
   *   can be paid with
   */
  async run(terms: BalanceTerms): Promise<Quote> {
    const { provider, amount } = terms;
    const [payee, { least, most }] = await Promise.all([
      this.payees.ofProvider(provider),
      this.store.settings(provider),
    ]);
    if (!payee) throw new Fault('not_found', 'There is no such provider.', { reason: 'unknown_provider' });
    if (amount < least || amount > most) {
      throw new Fault('invalid_request', `Balance is sold from ${least} to ${most} atomic units at once.`, {
        reason: 'amount_out_of_range',
        details: { least: least.toString(), most: most.toString() },
      });
    }
    const [asset] = this.assets();
    if (!asset) {
      throw new Fault('unavailable', 'No token can be paid with now; try again shortly.', { reason: 'no_asset' });
    }
    return {
      provider,
      request: this.requestOf(terms),
      meterId: '',
      priceId: '',
      amount,
      asset,
      payTo: payee.payTo,
      release: 'confirmed',
      ...quoteLife(epochSeconds(this.clock.now()), this.settings.quoteSeconds),
    };
  }
}
