import type { IdSource } from '@core/ids';
import type { Clock, Instant } from '@core/time';
import type { RateUsage } from '@features/pricing';
import type { Writer } from '@platform/database';
import { CloseAccounts, type ClosingCrash } from './close-accounts.js';
import { CloseStore } from './close.store.js';

interface CloseResult {
  /** Periods that were closed. */
  readonly closed: number;
  /** Statements that were issued. */
  readonly issued: number;
  /** Accounts that wait because their usage could not be rated for a reason of ours. */
  readonly failed: number;
}

/** Accounts closed in one transaction: calls on credit of those that have any wait for no longer than its end takes. */
const AT_ONCE = 2_000;
/** A transaction that met another one the wrong way round is tried again. */
const TRIES = 3;
const AGAIN = /^(?:40P01|40001)$/;

interface ToClose {
  readonly provider: string;
  /** `acct_…`; absent: all of the provider. */
  readonly account?: string | undefined;
}

/**
 * Closes every billing period whose end and grace have passed: rates what waits of its accounts a last time, then issues their statements,
 * thousands in one transaction. Where several periods of an account were missed, they are closed one after another. Whatever is killed
 * when, the next run goes on: what was committed is closed, and nothing else was written.
 */
export class CloseDue {
  readonly #store = new CloseStore();
  readonly #close: CloseAccounts;

  /** `clock`: absent, time is the database's. */
  constructor(
    private readonly writer: Writer,
    private readonly rate: Pick<RateUsage, 'rateAccounts'>,
    ids: IdSource,
    private readonly crash: ClosingCrash = { reach: () => undefined },
    private readonly clock?: Clock,
    private readonly atOnce = AT_ONCE,
  ) {
    this.#close = new CloseAccounts(writer, ids, crash, clock);
  }

  /**
   * Of every provider.
   * @throws AggregateError when accounts could not be closed for a reason of ours: the others were, and those stay due
   */
  async run(): Promise<CloseResult> {
    const sum = { closed: 0, issued: 0, failed: 0 };
    const errors: unknown[] = [];
    for (const provider of await this.#store.providers(this.writer, this.clock?.now())) {
      try {
        const { closed, issued, failures } = await this.#provider({ provider });
        sum.closed += closed;
        sum.issued += issued;
        sum.failed += failures.size;
        errors.push(...failures.values());
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'some billing periods could not be closed and stay due');
    return sum;
  }

  /** Of one provider, or one account of it: what is due now. */
  async only(of: ToClose): Promise<CloseResult> {
    const { closed, issued, failures } = await this.#provider(of);
    return { closed, issued, failed: failures.size };
  }

  async #provider(of: ToClose): Promise<{ closed: number; issued: number; failures: ReadonlyMap<string, unknown> }> {
    const sum = { closed: 0, issued: 0, failures: new Map<string, unknown>() };
    // One period per account and round; a round that closes nothing is the last.
    for (let before = -1; sum.closed > before;) {
      before = Math.max(sum.closed, 0);
      let after = '';
      for (;;) {
        const page = await this.#store.due(this.writer, of, this.clock?.now(), after, this.atOnce);
        const last = page.at(-1);
        if (!last) break;
        after = last.account;
        await this.#page(
          of,
          page.filter(({ account }) => !sum.failures.has(account)),
          sum,
        );
        if (page.length < this.atOnce) break;
      }
    }
    return sum;
  }

  async #page(
    { provider, account }: ToClose,
    page: readonly { readonly account: string; readonly end: Instant }[],
    sum: { closed: number; issued: number; failures: Map<string, unknown> },
  ): Promise<void> {
    const [first] = page;
    if (!first) return;
    const before = page.reduce((latest, { end }) => (end > latest ? end : latest), first.end);
    const accounts = page.map((one) => one.account);
    const failed = await this.rate.rateAccounts(provider, accounts, before);
    for (const [one, error] of failed) sum.failures.set(one, error);
    this.crash.reach('close.rated');
    const sound = accounts.filter((one) => !failed.has(one));
    const { closed, issued } = await this.#tried(() =>
      this.#close.run(provider, sound, account === undefined ? 'skip' : 'wait'),
    );
    sum.closed += closed;
    sum.issued += issued;
    this.crash.reach('close.committed');
  }

  async #tried<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        const code = error instanceof Error ? String(Reflect.get(error, 'code')) : '';
        if (attempt === TRIES || !AGAIN.test(code)) throw error;
      }
    }
  }
}
