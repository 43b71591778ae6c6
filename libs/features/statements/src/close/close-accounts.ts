import { ID_PREFIXES, type IdSource } from '@core/ids';
import { billStatement } from '@core/ledger';
import { amount } from '@core/money';
import {
  closePeriodOf,
  type ClosePlace,
  dueAtOf,
  issuedStanding,
  periodAfter,
  statementNumber,
} from '@core/statements';
import { type Clock, formatInstant, type Instant, type Period } from '@core/time';
import { ClosedBooks, Ledger } from '@features/ledger';
import { Announce } from '@features/webhooks';
import { BillCredit } from '@features/wallet';
import type { Writer, WriterTx } from '@platform/database';
import { CloseStore, type DueAccount, type StatementToIssue } from './close.store.js';

/** A provider's statements are numbered in one series. */
const SERIES = 'S';

/** What `kill -9` may be told to do between two durable steps; does nothing but in a fault test. */
export interface ClosingCrash {
  reach(place: ClosePlace): void;
}

interface Closed {
  /** Periods that were closed. */
  readonly closed: number;
  /** Of those, how many got a statement: the others had nothing to state. */
  readonly issued: number;
}

/**
 * Closes the period of many accounts of a provider in one transaction: their statements and numbers, the postings, the books and the next
 * period are there together or not at all. The provider's series is locked first: one such transaction at a time per provider.
 */
export class CloseAccounts {
  readonly #store = new CloseStore();
  readonly #ledger = new Ledger();
  readonly #books = new ClosedBooks();
  readonly #credit = new BillCredit();
  readonly #announce: Announce;

  /** `clock`: absent, time is the database's. */
  constructor(
    private readonly writer: Writer,
    private readonly ids: IdSource,
    private readonly crash: ClosingCrash,
    private readonly clock?: Clock,
  ) {
    this.#announce = new Announce(ids);
  }

  /** Of those named, closes what is due and, with `skip`, not being rated at this moment. */
  async run(provider: string, accounts: readonly string[], busy: 'skip' | 'wait'): Promise<Closed> {
    return this.writer.transaction(async (tx) => {
      const held = this.clock?.now();
      const { last, now: read } = await this.#store.lockSeries(tx, provider, SERIES);
      const now = held ?? read;
      const due = await this.#store.lockDue(tx, provider, accounts, held, busy);
      if (due.length === 0) return { closed: 0, issued: 0 };
      this.crash.reach('close.locked');
      const drawn = await this.#store.drawUp(tx, provider, due);
      const later = new Map(drawn.map(({ account, laterCalls }) => [account, laterCalls]));
      const byAccount = new Map(due.map((one) => [one.account, one]));
      const calendar = new Calendar(now);
      const statements = drawn.flatMap((one): Omit<StatementToIssue, 'number'>[] => {
        const terms = byAccount.get(one.account);
        const verdict = closePeriodOf(one);
        if (!terms || !verdict.issue) return [];
        const { asset, period, zone } = terms;
        const { state, due: asked } = issuedStanding(verdict.due);
        const dueAt = calendar.dueAt(terms);
        return [{ ...one, id: this.ids.next(ID_PREFIXES.statement), asset, period, zone, due: asked, state, dueAt }];
      });
      const numbered = statements.map((one, i): StatementToIssue => ({ ...one, number: last + BigInt(i) + 1n }));
      if (numbered.length > 0) await this.#issue(tx, provider, numbered, { now, held });
      await this.#books.close(
        tx,
        provider,
        due.map(({ account, period }) => ({ account, until: period.end })),
      );
      const next = due.map((terms) => ({ account: terms.account, period: calendar.after(terms) }));
      await this.#store.beginNext(tx, provider, next);
      // Last, as it is what calls wait for.
      await this.#credit.all(
        tx,
        numbered.map(({ account, asset }) => ({ account, asset, later: later.get(account) ?? 0n })),
      );
      this.crash.reach('close.before-commit');
      return { closed: due.length, issued: numbered.length };
    });
  }

  async #issue(
    tx: WriterTx,
    provider: string,
    statements: readonly StatementToIssue[],
    { now, held }: { readonly now: Instant; readonly held: Instant | undefined },
  ): Promise<void> {
    await this.#store.insert(tx, { provider, series: SERIES, issuedAt: now }, statements);
    await this.#store.setLast(tx, provider, SERIES, statements.at(-1)?.number ?? 0n);
    this.crash.reach('close.issued');
    const bills = statements
      .filter(({ due }) => due > 0n)
      .map(({ id, account, asset, due }) =>
        billStatement({ provider, account, statement: id, due: amount(asset, due) }),
      );
    await this.#ledger.effective(tx, held, () => this.#ledger.postMany(tx, bills));
    this.crash.reach('close.posted');
    await this.#announce.all(
      tx,
      statements.map(({ id, account, asset, number, due, period, dueAt }) => ({
        provider,
        type: 'statement.issued' as const,
        object: { id, version: 1 },
        data: {
          account,
          asset,
          statement: id,
          number: statementNumber(SERIES, number),
          total: due.toString(),
          periodStart: formatInstant(period.start),
          periodEnd: formatInstant(period.end),
          dueAt: formatInstant(dueAt),
        },
      })),
    );
  }
}

/** Accounts that were cut alike are reckoned once. */
class Calendar {
  readonly #next = new Map<string, Period>();
  readonly #due = new Map<string, Instant>();

  constructor(private readonly now: Instant) {}

  after({ period, size, zone }: DueAccount): Period {
    const key = `${size} ${zone} ${period.end}`;
    const known = this.#next.get(key) ?? periodAfter(period, size, zone);
    this.#next.set(key, known);
    return known;
  }

  dueAt({ dueDays, zone }: DueAccount): Instant {
    const key = `${dueDays} ${zone}`;
    const known = this.#due.get(key) ?? dueAtOf(this.now, dueDays, zone);
    this.#due.set(key, known);
    return known;
  }
}
