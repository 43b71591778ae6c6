import { type ReleaseLevel, releaseLevel, type ReleasePolicy } from '@core/payments';
import type { Clock, Instant } from '@core/time';
import { big, type Writer } from '@platform/database';
import type { PaymentRow } from '../exact/payments.store.js';

/** What the paid path needs to know of a provider. */
export interface Payee {
  readonly provider: string;
  /** Address that receives payments, lower case. */
  readonly payTo: string;
  readonly policy: ReleasePolicy;
  /** Ids of the assets in which any of its accounts has credit. */
  readonly creditAssets: readonly string[];
}

interface Row {
  id: string;
  pay_to: string;
  raise_above: string | null;
  raise_first_payment: boolean;
  credit_assets: string[];
}

const FRESH_MS = 5_000;

/** Providers' payment settings, at most five seconds old. */
export class Payees {
  readonly #known = new Map<string, { payee: Payee | undefined; until: Instant | number }>();

  constructor(
    private readonly writer: Writer,
    private readonly clock: Clock,
  ) {}

  async ofProvider(provider: string): Promise<Payee | undefined> {
    return this.#read(`provider ${provider}`, 'id = $1', provider);
  }

  /** When the response of a payment may leave, by its price and its provider's policy. */
  async releaseOf(payment: PaymentRow): Promise<ReleaseLevel> {
    const payee = await this.ofProvider(payment.provider);
    return payee ? releaseLevel(payment.release, payment, payee.policy) : 'confirmed';
  }

  /** The provider whose wallet this is. Should several share one, the oldest. */
  async ofWallet(payTo: string): Promise<Payee | undefined> {
    return this.#read(`wallet ${payTo}`, 'pay_to = $1', payTo);
  }

  async #read(key: string, where: string, value: string): Promise<Payee | undefined> {
    const now = this.clock.now();
    const known = this.#known.get(key);
    if (known && known.until > now) return known.payee;
    const [row] = await this.writer.query<Row>(
      `SELECT id, pay_to, raise_above::text, raise_first_payment,
         ARRAY(SELECT DISTINCT l.asset FROM credit_lines l WHERE l.provider_id = providers.id) AS credit_assets
       FROM providers WHERE ${where} ORDER BY created_at, id LIMIT 1`,
      [value],
    );
    const payee = row && {
      provider: row.id,
      payTo: row.pay_to,
      creditAssets: row.credit_assets,
      policy: {
        raiseAbove: row.raise_above === null ? undefined : big(row.raise_above),
        raiseFirstPayment: row.raise_first_payment,
      },
    };
    // Misses are not kept: an unknown wallet must not fill the memory, and a new provider counts at once.
    if (payee) this.#known.set(key, { payee, until: now + FRESH_MS });
    return payee;
  }
}
