import { Fault } from '@core/faults';
import { ID_PREFIXES, type IdSource } from '@core/ids';
import type { StatementStates } from '@features/statements';
import { type Database, rowsOf, type Tx } from '@platform/database';
import { Outbox } from '@platform/queues';
import type { AttemptsStore } from './attempts/attempts.store.js';
import { type CollectionsReader, type CollectionView } from './collections.reader.js';
import type { CollectionsStore } from './collections.store.js';

/** started: it is tried or looked at as soon as a worker is free · resting: there is nothing to do by itself any more. */
interface Started {
  readonly outcome: 'started' | 'resting';
  readonly collection: CollectionView;
}

/** Collects a statement now: before it is due, ahead of the schedule, or after an operator has looked at one that was halted. */
export class CollectNow {
  readonly #outbox = new Outbox();

  constructor(
    private readonly database: Database,
    private readonly collections: CollectionsStore,
    private readonly attempts: AttemptsStore,
    private readonly statements: StatementStates,
    private readonly reader: CollectionsReader,
    private readonly ids: IdSource,
  ) {}

  /** @throws Fault not_found (`unknown_statement`), conflict (`nothing_due`) */
  async run({ provider, statement }: { readonly provider: string; readonly statement: string }): Promise<Started> {
    return this.database.forProvider(provider, async (tx) => {
      const id = await this.#collection(tx, statement);
      const lease = await this.collections.take(tx, id);
      const rests = ['paid', 'disputed', 'uncollectible', 'closed'].includes(lease.state);
      if (lease.state === 'halted') {
        const halted = await this.attempts.open(tx, id);
        if (halted) await this.attempts.advance(tx, halted, halted.intent === undefined ? 'abandoned' : 'created');
        await this.collections.move(tx, lease, {
          to: halted?.intent === undefined ? 'open' : 'attempting',
          runAfterMs: 0,
        });
      } else if (!rests) await this.collections.move(tx, lease, { to: lease.state, runAfterMs: 0 });
      await this.collections.drop(tx, id);
      await this.#outbox.add(tx, 'collect-statements', {});
      const collection = await this.reader.ofStatement(tx, statement);
      if (!collection) throw new Fault('invariant_broken', `the collection of ${statement} is gone`);
      return { outcome: rests ? 'resting' : 'started', collection };
    });
  }

  async #collection(tx: Tx, statement: string): Promise<string> {
    const known = await this.reader.ofStatement(tx, statement);
    if (known) return known.id;
    const { account, asset, provider, open } = await this.statements.lock(tx, statement);
    if (open === 0n) throw new Fault('conflict', 'Nothing is due on this statement.', { reason: 'nothing_due' });
    const id = this.ids.next(ID_PREFIXES.collection);
    const [row] = await rowsOf<{ id: string }>(
      tx,
      `INSERT INTO collections (id, provider_id, account_id, statement_id, asset, next_run_at) VALUES ($1, $2, $3, $4, $5, now())
       ON CONFLICT (statement_id) DO NOTHING RETURNING id`,
      [id, provider, account, statement, asset],
    );
    return row?.id ?? (await this.#collection(tx, statement));
  }
}
