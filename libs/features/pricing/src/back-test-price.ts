import { Fault } from '@core/faults';
import { type AssetId, type Decimal, ZERO, addDecimals } from '@core/money';
import { type Priced, type RatedPart, ratePeriod } from '@core/pricing';
import { type Clock, type Instant, type Period, addMs, overlap, windowsOf } from '@core/time';
import { MeterReader, type StoredMeter, UsageReader } from '@features/metering';
import type { Database, Tx } from '@platform/database';
import { AccountPriceSources } from './account-prices.js';
import { unknownMeter } from './create-price.js';
import { isUsed } from './pays-without-usage.js';
import { RateMonth } from './rate-month.js';
import { type PriceSpec, readPrice } from './read-price.js';
import { type UsingAccount, UsingAccounts } from './using-accounts.store.js';

/** Money of one asset, as it would be charged. */
export interface RatedMoney {
  readonly asset: AssetId;
  readonly decimals: number;
  readonly atomic: bigint;
}

export interface BackTestedAccount {
  /** `acct_…` */
  readonly account: string;
  readonly name?: string;
  /** Of the range, as the candidate counts it. */
  readonly quantity: Decimal;
  /** What it costs at the prices in force for the account: one amount for each asset, none without a price. */
  readonly current: readonly RatedMoney[];
  /** What it would cost at the candidate; absent when it cannot be rated. */
  readonly candidate?: RatedMoney;
  /** candidate − current, atomic units; absent when the two are not in one asset. */
  readonly difference?: bigint;
  /** Why the one or the other cannot be rated. */
  readonly problem?: string;
}

interface BackTest {
  /** By account id. */
  readonly accounts: readonly BackTestedAccount[];
  /** Of the accounts without a problem. */
  readonly total: {
    readonly accounts: number;
    readonly current: readonly RatedMoney[];
    readonly candidate: RatedMoney;
    readonly difference?: bigint;
  };
  /** Accounts with a problem, which the total leaves out. */
  readonly problems: number;
  /** Whether every account with usage was looked at; if not, go on after the last account. */
  readonly complete: boolean;
}

interface BackTestInput extends PriceSpec {
  readonly provider: string;
  /** Id or name. */
  readonly meter: string;
  /** Within 366 days, not in the future; bounds on a quarter of an hour. Each calendar month (UTC) in it is rated by itself. */
  readonly range: Period;
  /** Ids or names; absent: every account with usage. */
  readonly accounts?: readonly string[] | undefined;
  /** Id of the account to go on after. */
  readonly after?: string | undefined;
  /** Accounts at most; 100 when absent. */
  readonly limit?: number | undefined;
}

const MOST_ACCOUNTS = 1_000;
const LONGEST_MS = 366 * 86_400_000;
/** Read in one transaction. */
const PAGE = 20;

/** What a candidate price would charge for stored usage, beside what the prices in force charge. Posts nothing. */
export class BackTestPrice {
  readonly #meters = new MeterReader();
  readonly #usage = new UsageReader();
  readonly #sources = new AccountPriceSources();
  readonly #using = new UsingAccounts();
  readonly #month = new RateMonth();

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** @throws Fault not_found (`unknown_meter`), invalid_request (`invalid_price`, `invalid_range`, `unaligned_range`) */
  async run(input: BackTestInput): Promise<BackTest> {
    const now = this.clock.now();
    const range = { start: input.range.start, end: input.range.end < now ? input.range.end : now };
    if (
      !(input.range.start < input.range.end) ||
      range.start >= range.end ||
      input.range.end > addMs(input.range.start, LONGEST_MS)
    ) {
      throw new Fault(
        'invalid_request',
        'A back-test covers past usage: a range that begins before it ends, before now, within 366 days.',
        {
          reason: 'invalid_range',
        },
      );
    }
    const limit = Math.min(input.limit ?? 100, MOST_ACCOUNTS);
    const { meter, candidate, page } = await this.database.forProvider(input.provider, async (tx) => {
      const found = await this.#meters.find(tx, input.meter);
      if (!found) throw unknownMeter(input.meter);
      const { terms, modifiers } = readPrice(input, found);
      const price: Priced = { terms, modifiers, asset: input.asset.id, assetDecimals: input.asset.decimals };
      const using = await this.#using.list(tx, found, input.range, {
        only: input.accounts,
        after: input.after,
        limit: limit + 1,
      });
      return { meter: found, candidate: price, page: using };
    });
    const tested: BackTestedAccount[] = [];
    const looked = page.slice(0, limit);
    for (let i = 0; i < looked.length; i += PAGE) {
      const some = looked.slice(i, i + PAGE);
      tested.push(
        ...(await this.database.forProvider(input.provider, async (tx) => {
          const results: BackTestedAccount[] = [];
          for (const account of some) results.push(await this.#test(tx, account, meter, candidate, input.range, now));
          return results;
        })),
      );
    }
    return { accounts: tested, ...totalOf(tested, candidate), complete: page.length <= limit };
  }

  async #test(
    tx: Tx,
    { id, name }: UsingAccount,
    meter: StoredMeter,
    candidate: Priced,
    range: Period,
    now: Instant,
  ): Promise<BackTestedAccount> {
    const subject = { account: id, ...(name === undefined ? {} : { name }) };
    let quantity: Decimal = ZERO;
    try {
      const current: RatedPart<Priced>[] = [];
      const proposed: RatedPart<Priced>[] = [];
      const sources = await this.#sources.of(tx, id, meter.id);
      for (const month of windowsOf(range, 'month')) {
        const span = overlap(month, range);
        if (!span) continue;
        const query = { account: id, meter, range: span, asOf: now, unsoldOnly: true, terms: candidate.terms };
        const usage = await this.#usage.rated(tx, query);
        quantity = addDecimals(quantity, usage.quantity);
        const period = { period: month, zone: 'UTC', ended: month.end <= now };
        if (isUsed(usage)) proposed.push(...ratePeriod([{ price: candidate, covered: span, usage }], period));
        current.push(...(await this.#month.run(tx, id, meter, sources, { span, month }, now)));
      }
      const sums = sumByAsset(current);
      const [wanted = { asset: candidate.asset, decimals: candidate.assetDecimals, atomic: 0n }] = sumByAsset(proposed);
      const difference = differenceOf(sums, wanted);
      return {
        ...subject,
        quantity,
        current: sums,
        candidate: wanted,
        ...(difference === undefined ? {} : { difference }),
      };
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'unprocessable') throw error;
      return { ...subject, quantity, current: [], problem: error.message };
    }
  }
}

function sumByAsset(
  parts: readonly { readonly price: Priced; readonly amount: { readonly atomic: bigint } }[],
): RatedMoney[] {
  const sums = new Map<AssetId, RatedMoney>();
  for (const { price, amount } of parts) {
    const known = sums.get(price.asset);
    sums.set(price.asset, {
      asset: price.asset,
      decimals: price.assetDecimals,
      atomic: (known?.atomic ?? 0n) + amount.atomic,
    });
  }
  return [...sums.values()].sort((a, b) => (a.asset < b.asset ? -1 : 1));
}

/** Amounts of two assets do not meet. */
function differenceOf(current: readonly RatedMoney[], candidate: RatedMoney): bigint | undefined {
  const [only, ...more] = current;
  if (!only) return candidate.atomic;
  return more.length === 0 && only.asset === candidate.asset ? candidate.atomic - only.atomic : undefined;
}

function totalOf(tested: readonly BackTestedAccount[], candidate: Priced): Pick<BackTest, 'total' | 'problems'> {
  const whole = tested.filter(({ problem }) => problem === undefined);
  const asParts = (money: readonly RatedMoney[]) =>
    money.map(({ asset, decimals, atomic }) => ({
      price: { ...candidate, asset, assetDecimals: decimals },
      amount: { atomic },
    }));
  const current = sumByAsset(whole.flatMap((account) => asParts(account.current)));
  const atomic = whole.reduce((sum, account) => sum + (account.candidate?.atomic ?? 0n), 0n);
  const proposed = { asset: candidate.asset, decimals: candidate.assetDecimals, atomic };
  const difference = differenceOf(current, proposed);
  return {
    total: {
      accounts: whole.length,
      current,
      candidate: proposed,
      ...(difference === undefined ? {} : { difference }),
    },
    problems: tested.length - whole.length,
  };
}
