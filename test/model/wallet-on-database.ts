import { Fault } from '@core/faults';
import { addMs } from '@core/time';
import { windowStart } from '@core/wallet';
import type { HoldToTake } from '@features/wallet';
import type { WalletScene } from './wallet-scene.js';
import { METERS, type TimedStep, type WalletSeen, type WalletStory } from './wallet-story.js';

/** The story told to the product on a real database, by turns through two processes. */
export class DatabaseWallet {
  readonly #grants: string[] = [];
  readonly #requests: HoldToTake[] = [];
  readonly #holds: string[] = [];
  #turn = 0;

  private constructor(
    private readonly scene: WalletScene,
    private readonly account: string,
    private readonly limits: readonly string[],
    private readonly story: WalletStory,
  ) {}

  static async open(scene: WalletScene, story: WalletStory): Promise<DatabaseWallet> {
    const account = await scene.newAccount();
    const limits: string[] = [];
    for (const limit of story.limits) limits.push(await setLimit(scene, account, limit));
    await scene.owner.query('UPDATE wallets SET credit_limit = $2 WHERE account_id = $1', [account, story.creditLimit]);
    return new DatabaseWallet(scene, account, limits, story);
  }

  async tell({ after, step }: TimedStep): Promise<string> {
    const { scene, account } = this;
    const { provider } = scene;
    scene.clock.at = addMs(scene.clock.at, after);
    this.#turn += 1;
    const through = this.#turn % 2 === 0 ? scene.a : scene.b;
    switch (step.kind) {
      case 'grant': {
        const now = scene.clock.at;
        const grant = await scene.give(BigInt(step.amount), {
          account,
          kind: step.of,
          ...(step.of === 'paid' ? { cost: BigInt(step.cost) } : { funding: undefined }),
          priority: step.priority,
          effectiveAt: addMs(now, step.startsIn),
          expiresAt: step.endsIn === undefined ? undefined : addMs(now, step.endsIn),
          scope: step.scope,
        });
        this.#grants.push(grant);
        return 'issued';
      }
      case 'take': {
        const name = step.meter === 'seconds' ? 'seconds' : 'calls';
        const request = scene.request(BigInt(step.amount), {
          account,
          agentKey: step.key,
          meter: { id: scene.meters[name], name },
          ttlSeconds: step.ttlSeconds,
        });
        const taken = await through.take(request);
        if (taken.outcome === 'insufficient') return `insufficient ${taken.available}`;
        if (taken.outcome === 'held') {
          this.#requests.push(request);
          this.#holds.push(taken.hold.id);
        }
        return taken.outcome;
      }
      case 'limit': {
        const limit = this.story.limits[step.limit];
        if (limit) await setLimit(scene, account, { ...limit, amount: step.amount, hard: step.hard });
        return 'set';
      }
      case 'sweep':
        await through.expireHolds();
        await scene.expire.run();
        return 'swept';
      case 'void':
      case 'refund': {
        const grant = this.#grants[step.grant % Math.max(1, this.#grants.length)];
        if (grant === undefined) return 'none';
        const ended =
          step.kind === 'void'
            ? scene.voids.run({ provider, grant }).then(({ outcome }) => outcome)
            : scene.refunds
                .run({ provider, grant, amount: step.amount === undefined ? undefined : BigInt(step.amount) })
                .then(({ refund }) => `refunded ${refund.cash}`);
        return ended.catch(refusal);
      }
      case 'again':
      case 'capture':
      case 'extend':
      case 'release':
      case 'reverse': {
        const n = step.hold % Math.max(1, this.#holds.length);
        const hold = this.#holds[n];
        const request = this.#requests[n];
        if (hold === undefined || !request) return 'none';
        switch (step.kind) {
          case 'again': {
            const again = await through.take(step.same ? request : { ...request, fingerprint: 'another request' });
            return again.outcome === 'exists' ? `exists ${again.hold.state}` : again.outcome;
          }
          case 'reverse':
            return scene.reverse.run({ provider, hold, total: BigInt(step.total) }).then(() => 'reversed', refusal);
          case 'capture':
            return (
              ENDS[(await through.capture({ provider, hold, amount: BigInt(step.amount), quantity: '1' })).outcome] ??
              '?'
            );
          case 'release':
            return this.#released(hold, (await through.release({ provider, hold })).outcome);
          case 'extend': {
            const { ttlSeconds } = step;
            const totals = {
              used: BigInt(step.used),
              usedQuantity: '1',
              amount: BigInt(step.amount),
              quantity: '2',
              ttlSeconds,
            };
            const extended = await through.extend({ provider, hold, ...totals });
            if (extended.outcome === 'insufficient') return `insufficient ${extended.available}`;
            if (extended.outcome !== 'ended') return extended.outcome;
            return extended.hold.state === 'captured' ? 'was captured' : 'had ended';
          }
        }
      }
    }
  }

  /** A release answers `captured` for what was so before and for what it charged itself: the time of its end tells. */
  async #released(hold: string, outcome: string): Promise<string> {
    if (outcome === 'released') return outcome;
    if (outcome === 'already') return 'had ended';
    const now = await this.scene.a.find(hold);
    if (!now) return '?';
    return now.endedAt === this.scene.clock.at && now.expiresAt > this.scene.clock.at ? 'captured' : 'was captured';
  }

  async seen(): Promise<WalletSeen> {
    const { rows } = await this.scene.owner.query<Seen>(SEEN, [
      this.account,
      this.#grants,
      this.#holds,
      METERS,
      new Date(this.scene.clock.at),
    ]);
    const [seen] = rows;
    if (!seen) throw new Error(`the wallet of ${this.account} is gone`);
    const { counters, ...rest } = seen;
    return {
      ...rest,
      limits: this.limits.map((id, n) => {
        const start = windowStart(this.story.limits[n]?.window ?? 'lifetime', this.scene.clock.at);
        const [, , ...used] = counters.find(([limit, at]) => limit === id && Number(at) === start) ?? [
          '',
          '',
          '0',
          '0',
        ];
        return used;
      }),
    };
  }

  /** Where ledger, lineage or usage say something else than the wallet. */
  async faults(): Promise<string[]> {
    const { scene, account } = this;
    const { rows } = await scene.owner.query<{ fault: string }>(
      `WITH booked AS (
         SELECT la.code, la.detail, sum(CASE WHEN t.debit_id = la.id THEN -t.amount ELSE t.amount END) AS balance
         FROM ledger_accounts la JOIN transfers t ON la.id IN (t.debit_id, t.credit_id) WHERE la.account_id = $1 GROUP BY 1, 2)
       SELECT 'grant ' || g.id || ' is ' || g.remaining || ', the ledger says ' || coalesce(b.balance, 0) AS fault
       FROM grants g LEFT JOIN booked b ON b.detail = g.id AND b.code = CASE g.kind WHEN 'paid' THEN '2010' ELSE '9015' END
       WHERE g.account_id = $1 AND g.remaining <> coalesce(b.balance, 0)
       UNION ALL
       SELECT 'the account owes ' || w.owed || ', the ledger says ' || -b.balance FROM wallets w JOIN booked b ON b.code = '1110'
       WHERE w.account_id = $1 AND w.owed <> -b.balance
       UNION ALL
       SELECT 'grant ' || g.id || ' gave ' || g.consumed || ', its lineage says ' || l.sum FROM grants g, LATERAL (
         SELECT coalesce(sum(CASE c.kind WHEN 'reversal' THEN -c.amount ELSE c.amount END), 0) AS sum FROM grant_consumptions c WHERE c.grant_id = g.id) l
       WHERE g.account_id = $1 AND g.consumed <> l.sum
       UNION ALL
       SELECT 'hold ' || h.id || ' is in the usage log ' || n.n || ' times' FROM holds h, LATERAL (
         SELECT count(*) AS n FROM usage_log, json_array_elements(body::json -> 'items') AS item WHERE kind = 'sold' AND item ->> 4 = h.id) n
       WHERE h.account_id = $1 AND n.n <> CASE h.state WHEN 'captured' THEN 1 ELSE 0 END`,
      [account],
    );
    return rows.map(({ fault }) => fault);
  }
}

interface Seen extends Omit<WalletSeen, 'limits'> {
  readonly counters: readonly (readonly string[])[];
}

const SEEN = `SELECT w.posted::text, w.held::text,
    ARRAY(SELECT (greatest(0, w.credit_limit - w.owed - w.credit_held) + coalesce((SELECT sum(g.remaining - g.held) FROM grants g
      WHERE g.account_id = $1 AND g.voided_at IS NULL AND g.effective_at <= $5 AND (g.expires_at > $5 OR g.expires_at IS NULL)
        AND (g.scope = '{}' OR m.name = ANY (g.scope))), 0))::text FROM unnest($4::text[]) WITH ORDINALITY AS m (name, n) ORDER BY m.n) AS available,
    (SELECT coalesce(json_agg(ARRAY[remaining, held, consumed, expired, voided, refunded]::text[] ORDER BY array_position($2::text[], id)), '[]')
      FROM grants WHERE account_id = $1) AS grants,
    (SELECT coalesce(json_agg(ARRAY[state, amount::text, used::text, coalesce(captured, 0)::text, reversed::text] ORDER BY array_position($3::text[], id)), '[]')
      FROM holds WHERE account_id = $1) AS holds,
    (SELECT coalesce(json_agg(ARRAY[limit_id, (extract(epoch FROM window_start) * 1000)::bigint::text, spent::text, held::text]), '[]')
      FROM spend_counters WHERE account_id = $1) AS counters
  FROM wallets w WHERE w.account_id = $1`;

const ENDS: Readonly<Record<string, string>> = { captured: 'captured', already: 'was captured', ended: 'had ended' };

const REFUSALS: Readonly<Record<string, string>> = {
  grant_ended: 'ended',
  not_refundable: 'refused',
  not_captured: 'not captured',
  more_than_charged: 'too much',
};

function refusal(error: unknown): string {
  const told = error instanceof Fault ? REFUSALS[error.reason ?? ''] : undefined;
  if (told === undefined) throw error;
  return told;
}

async function setLimit(scene: WalletScene, account: string, limit: WalletStory['limits'][number]): Promise<string> {
  const { provider, asset } = scene;
  const subject =
    limit.key !== undefined
      ? ({ kind: 'key', key: limit.key } as const)
      : limit.meter === undefined
        ? ({ kind: 'account' } as const)
        : ({ kind: 'meter', meter: limit.meter } as const);
  const { window, hard } = limit;
  return (await scene.limit.run({ provider, account, asset, subject, window, amount: BigInt(limit.amount), hard })).id;
}
