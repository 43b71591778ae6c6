import { Fault } from '@core/faults';
import { ID_PREFIXES, type IdSource } from '@core/ids';
import { type AssetId, assetId } from '@core/money';
import { type Clock, type Instant, instant } from '@core/time';
import { type Limit, type LimitSubject, type LimitWindow, windowStart } from '@core/wallet';
import { type Database, rowsOf, type Tx } from '@platform/database';
import { requireAccount } from './issue-grant.js';
import { subjectOf } from './locked-wallet.js';
import { WalletStore } from './wallet.store.js';

/** A limit with how much of its window is used. */
export interface UsedLimit extends Limit {
  readonly account: string;
  readonly asset: AssetId;
  readonly windowStart: Instant;
  readonly spent: bigint;
  /** What open holds may yet spend. */
  readonly held: bigint;
}

export interface LimitToSet {
  readonly provider: string;
  readonly account: string;
  readonly asset: AssetId;
  readonly subject: LimitSubject;
  readonly window: LimitWindow;
  readonly amount: bigint;
  readonly hard: boolean;
  /** 1 to 100; 80 and 100 when absent. */
  readonly alertPercents?: readonly number[] | undefined;
}

const ALERTS = [80, 100];

const nameOf = (subject: LimitSubject): string =>
  subject.kind === 'key' ? subject.key : subject.kind === 'meter' ? subject.meter : '';

/** What of a hold makes it count, as SQL over `holds h`. */
const CONCERNS = `h.account_id = $1 AND h.asset = $2
  AND CASE $3 WHEN 'key' THEN h.agent_key = $4 WHEN 'meter' THEN h.meter = $4 ELSE true END
  AND h.taken_at >= timestamptz 'epoch' + $5::bigint * interval '1 millisecond'`;

/**
 * Sets how much an account, one of its keys, or its use of one meter may spend in a window: one limit for each of them and window,
 * set again it is changed. What was spent and is held in the window under way counts from the start.
 */
export class SetLimit {
  readonly #wallets = new WalletStore();
  readonly #limits = new LimitReader();

  /** `clock`: absent, time is the database's. */
  constructor(
    private readonly database: Database,
    private readonly ids: IdSource,
    private readonly clock?: Clock,
  ) {}

  /** @throws Fault not_found (`unknown_account`) */
  async run(input: LimitToSet): Promise<UsedLimit> {
    const { provider, account, asset, window } = input;
    return this.database.forProvider(provider, async (tx) => {
      await requireAccount(tx, account);
      await this.#wallets.open(tx, provider, account, asset);
      const { at } = await this.#wallets.lock(tx, { wallets: [{ account, asset }] }, this.clock?.now());
      const subject = nameOf(input.subject);
      const percents = [...(input.alertPercents ?? ALERTS)];
      const unique = { accountId: account, asset, subjectKind: input.subject.kind, subject, window };
      const changed = { amount: input.amount.toString(), hard: input.hard, alertPercents: percents };
      const set = await tx.spendLimit.findFirst({ where: unique });
      const id = set?.id ?? this.ids.next(ID_PREFIXES.limit);
      if (set) await tx.spendLimit.update({ where: { id }, data: changed });
      else {
        await tx.spendLimit.create({ data: { id, providerId: provider, ...unique, ...changed } });
        await countFromStart(
          tx,
          { id, provider, account, asset, kind: input.subject.kind, subject },
          windowStart(window, at),
        );
      }
      const found = (await this.#limits.of(tx, account, at)).find((limit) => limit.id === id);
      if (!found) throw new Fault('invariant_broken', 'a limit that was set is gone');
      return found;
    });
  }
}

async function countFromStart(
  tx: Tx,
  limit: { id: string; provider: string; account: string; asset: string; kind: string; subject: string },
  start: Instant,
): Promise<void> {
  const concerned = [limit.account, limit.asset, limit.kind, limit.subject, start];
  await rowsOf(
    tx,
    `INSERT INTO spend_counters (account_id, asset, limit_id, window_start, provider_id, spent, held)
     SELECT $1, $2, $6, timestamptz 'epoch' + $5::bigint * interval '1 millisecond', $7,
       coalesce(sum(h.captured - h.reversed), 0), coalesce(sum(h.amount) FILTER (WHERE h.state = 'held'), 0)
     FROM holds h WHERE ${CONCERNS}`,
    [...concerned, limit.id, limit.provider],
  );
  await rowsOf(
    tx,
    `UPDATE holds h SET counted = counted || jsonb_build_array(jsonb_build_array($6::text, $5::bigint)) WHERE ${CONCERNS} AND h.state = 'held'`,
    [...concerned, limit.id],
  );
}

/** Limits as they stand. */
export class LimitReader {
  /** Of an account, in all assets, with what is used of the windows that hold `at`. */
  async of(tx: Tx, account: string, at: Instant): Promise<UsedLimit[]> {
    const rows = await tx.spendLimit.findMany({
      where: { accountId: account },
      orderBy: [{ asset: 'asc' }, { subjectKind: 'asc' }, { subject: 'asc' }, { window: 'asc' }],
    });
    const counters = await rowsOf<{ asset: string; limit_id: string; start: string; spent: string; held: string }>(
      tx,
      `SELECT c.asset, c.limit_id, (extract(epoch FROM c.window_start) * 1000)::bigint::text AS start, c.spent::text, c.held::text
       FROM spend_limits l JOIN spend_counters c ON c.account_id = l.account_id AND c.asset = l.asset AND c.limit_id = l.id
       WHERE l.account_id = $1 AND c.window_start >= CASE l."window" WHEN 'lifetime' THEN timestamptz 'epoch'
         ELSE date_trunc(l."window", (timestamptz 'epoch' + $2::bigint * interval '1 millisecond') AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' END`,
      [account, at],
    );
    return rows.map((row) => {
      const window = readWindow(row.window);
      const start = windowStart(window, at);
      const used = counters.find((counter) => counter.limit_id === row.id && Number(counter.start) === start);
      return {
        id: row.id,
        account,
        asset: assetId(row.asset),
        subject: subjectOf(readKind(row.subjectKind), row.subject),
        window,
        amount: BigInt(row.amount.toFixed(0)),
        hard: row.hard,
        alertPercents: row.alertPercents,
        windowStart: instant(start),
        spent: BigInt(used?.spent ?? 0),
        held: BigInt(used?.held ?? 0),
      };
    });
  }
}

/** Takes limits away; what was counted for them is forgotten with them. */
export class RemoveLimit {
  constructor(private readonly database: Database) {}

  /** @throws Fault not_found (`unknown_limit`) */
  async run(input: { readonly provider: string; readonly account: string; readonly limit: string }): Promise<void> {
    await this.database.forProvider(input.provider, async (tx) => {
      const { count } = await tx.spendLimit.deleteMany({ where: { id: input.limit, accountId: input.account } });
      if (count === 0)
        throw new Fault('not_found', `The account has no limit "${input.limit.slice(0, 64)}".`, {
          reason: 'unknown_limit',
        });
    });
  }
}

function readWindow(text: string): LimitWindow {
  if (text === 'hour' || text === 'day' || text === 'month' || text === 'lifetime') return text;
  throw new Fault('invariant_broken', `"${text}" is no window of a limit`);
}

function readKind(text: string): LimitSubject['kind'] {
  if (text === 'account' || text === 'key' || text === 'meter') return text;
  throw new Fault('invariant_broken', `"${text}" is no subject of a limit`);
}
