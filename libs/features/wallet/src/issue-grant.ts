import { Fault } from '@core/faults';
import { ID_PREFIXES, type IdSource } from '@core/ids';
import { issueGrant } from '@core/ledger';
import { type AssetId, amount } from '@core/money';
import type { Clock, Instant } from '@core/time';
import { type GrantKind, nextRenewal, type Recurrence } from '@core/wallet';
import { Ledger } from '@features/ledger';
import { MeterReader } from '@features/metering';
import type { Database, Tx, WriterTx } from '@platform/database';
import { GrantStore } from './grant.store.js';
import type { StoredGrant } from './stored-grant.js';
import { WalletStore } from './wallet.store.js';

export interface GrantToIssue {
  readonly provider: string;
  /** `acct_…` */
  readonly account: string;
  readonly asset: AssetId;
  readonly kind: GrantKind;
  readonly amount: bigint;
  /** What was paid for it; absent: all of it for a paid grant. Less where a discount was given. */
  readonly cost?: bigint | undefined;
  /** Lower burns first; 100 when absent. */
  readonly priority?: number | undefined;
  /** Absent: now. */
  readonly effectiveAt?: Instant | undefined;
  /** The first instant at which it is no longer good; absent: never. */
  readonly expiresAt?: Instant | undefined;
  /** Names of meters; absent: all. */
  readonly scope?: readonly string[] | undefined;
  /** What paid for it: a top-up, a receipt. A paid grant has one. */
  readonly funding?: string | undefined;
  readonly reason?: string | undefined;
  /** Of value that is given only: nobody pays for it again. */
  readonly recurrence?: Recurrence | undefined;
  /** Names the request, within the account: the same again issues nothing. */
  readonly key?: string | undefined;
}

const PRIORITY = 100;

/** Gives prepaid value to an account. A paid grant is issued when its payment is final enough for its rail, not before. */
export class IssueGrant {
  readonly #wallets = new WalletStore();
  readonly #grants = new GrantStore();
  readonly #ledger = new Ledger();
  readonly #meters = new MeterReader();

  /** `clock`: absent, time is the database's. */
  constructor(
    private readonly database: Database,
    private readonly ids: IdSource,
    private readonly clock?: Clock,
  ) {}

  /**
   * @throws Fault not_found (`unknown_account`, `unknown_meter`), invalid_request (`invalid_grant`), conflict (`grant_exists`): the
   *   key has issued another grant
   */
  async run(input: GrantToIssue): Promise<{ readonly outcome: 'issued' | 'exists'; readonly grant: StoredGrant }> {
    return this.database.forProvider(input.provider, async (tx) => {
      for (const name of input.scope ?? []) {
        if (await this.#meters.find(tx, name)) continue;
        throw new Fault('not_found', `There is no meter "${name.slice(0, 64)}" to spend the grant on.`, {
          reason: 'unknown_meter',
        });
      }
      await requireAccount(tx, input.account);
      return this.within(tx, input);
    });
  }

  /** The same in the caller's transaction; meters of the scope and the account are known to exist. */
  async within(
    tx: Tx | WriterTx,
    input: GrantToIssue,
  ): Promise<{ readonly outcome: 'issued' | 'exists'; readonly grant: StoredGrant }> {
    const { provider, account, asset } = input;
    await this.#wallets.open(tx, provider, account, asset);
    const { at } = await this.#wallets.lock(tx, { wallets: [{ account, asset }] }, this.clock?.now());
    const issued = input.key === undefined ? undefined : await this.#grants.ofKey(tx, account, input.key);
    if (issued) {
      if (saysTheSame(issued, input)) return { outcome: 'exists', grant: issued };
      throw new Fault('conflict', 'This key has issued another grant: a new grant needs a new key.', {
        reason: 'grant_exists',
        details: { grant: issued.id },
      });
    }
    const grant = this.#grantOf(input, at);
    await this.#grants.insert(tx, grant);
    const booked = { provider, account, grant: grant.id, isPaid: grant.kind === 'paid' };
    await this.#ledger.post(
      tx,
      issueGrant({ ...booked, value: amount(asset, grant.amount), cost: amount(asset, grant.cost) }),
    );
    return { outcome: 'issued', grant };
  }

  #grantOf(input: GrantToIssue, at: Instant): StoredGrant {
    const isPaid = input.kind === 'paid';
    const cost = isPaid ? (input.cost ?? input.amount) : 0n;
    const effectiveAt = input.effectiveAt ?? at;
    if (input.amount <= 0n) throw invalid('"amount" has to be more than zero.');
    if (isPaid && input.funding === undefined) throw invalid('A paid grant names what paid for it ("funding").');
    if (isPaid && input.recurrence) throw invalid('A paid grant does not recur: nobody pays for it again.');
    if (!isPaid && (input.cost ?? 0n) !== 0n) throw invalid('Only a paid grant has a cost.');
    if (cost > input.amount) throw invalid('"cost" is at most the amount of the grant.');
    if (input.expiresAt !== undefined && input.expiresAt <= effectiveAt)
      throw invalid('A grant expires after it comes into force.');
    const { rollover } = input.recurrence ?? {};
    if (rollover && (rollover.min > rollover.max || rollover.max > input.amount))
      throw invalid('What rolls over is at least "min" and at most "max", which is at most the amount.');
    return {
      id: this.ids.next(ID_PREFIXES.grant),
      provider: input.provider,
      account: input.account,
      asset: input.asset,
      kind: input.kind,
      priority: input.priority ?? PRIORITY,
      effectiveAt,
      expiresAt: input.expiresAt,
      scope: input.scope,
      createdAt: at,
      amount: input.amount,
      cost,
      granted: input.amount,
      consumed: 0n,
      expired: 0n,
      voided: 0n,
      refunded: 0n,
      held: 0n,
      isVoid: false,
      funding: input.funding,
      reason: input.reason,
      recurrence: input.recurrence,
      renewsAt: input.recurrence && nextRenewal(effectiveAt, input.recurrence, later(effectiveAt, at)),
      key: input.key,
    };
  }
}

const later = (a: Instant, b: Instant): Instant => (a > b ? a : b);

const invalid = (message: string): Fault => new Fault('invalid_request', message, { reason: 'invalid_grant' });

const saysTheSame = (issued: StoredGrant, input: GrantToIssue): boolean =>
  issued.asset === input.asset &&
  issued.kind === input.kind &&
  issued.amount === input.amount &&
  (input.cost === undefined || issued.cost === input.cost) &&
  issued.expiresAt === input.expiresAt &&
  issued.funding === input.funding &&
  (issued.scope ?? []).join('\n') === (input.scope ?? []).join('\n');

/** @throws Fault not_found (`unknown_account`) */
export async function requireAccount(tx: Tx, account: string): Promise<void> {
  if ((await tx.account.count({ where: { id: account } })) > 0) return;
  throw new Fault('not_found', `There is no account "${account.slice(0, 64)}".`, { reason: 'unknown_account' });
}
