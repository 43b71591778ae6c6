import { COLLECTION_STATES, type CollectionState } from '@core/collections';
import { type AssetId, assetId } from '@core/money';
import { type Instant } from '@core/time';
import { at, big, type Tx } from '@platform/database';

/** One try, as its provider sees it. */
export interface AttemptView {
  readonly id: string;
  readonly number: number;
  readonly rail: string;
  /** `pmt_…` */
  readonly method: string;
  readonly state: string;
  /** US cents. */
  readonly cents: bigint;
  /** In the statement's asset. */
  readonly covers: bigint;
  readonly intent: string | undefined;
  readonly failure: string | undefined;
  readonly createdAt: Instant;
  readonly endedAt: Instant | undefined;
}

/** How the collecting of a statement stands. */
export interface CollectionView {
  readonly id: string;
  readonly statement: string;
  readonly account: string;
  readonly asset: AssetId;
  readonly state: CollectionState;
  readonly dunning: number;
  readonly reason: string | undefined;
  /** When it is looked at or tried again. */
  readonly nextRunAt: Instant | undefined;
  readonly openedAt: Instant;
  readonly version: number;
  readonly attempts: readonly AttemptView[];
}

/** What may be read of collections. */
export class CollectionsReader {
  /** Undefined where the statement is not collected (yet). */
  async ofStatement(tx: Tx, statement: string): Promise<CollectionView | undefined> {
    const row = await tx.collection.findUnique({ where: { statementId: statement } });
    if (!row) return undefined;
    const attempts = await tx.collectionAttempt.findMany({
      where: { collectionId: row.id },
      orderBy: { number: 'asc' },
    });
    return {
      id: row.id,
      statement: row.statementId,
      account: row.accountId,
      asset: assetId(row.asset),
      state: COLLECTION_STATES.find((state) => state === row.state) ?? 'halted',
      dunning: row.dunning,
      reason: row.reason ?? undefined,
      nextRunAt: row.nextRunAt ? at(row.nextRunAt) : undefined,
      openedAt: at(row.openedAt),
      version: row.version,
      attempts: attempts.map((attempt) => ({
        id: attempt.id,
        number: attempt.number,
        rail: attempt.rail,
        method: attempt.methodId,
        state: attempt.state,
        cents: attempt.cents,
        covers: big(attempt.covers),
        intent: attempt.paymentIntent ?? undefined,
        failure: attempt.failure ?? undefined,
        createdAt: at(attempt.createdAt),
        endedAt: attempt.endedAt ? at(attempt.endedAt) : undefined,
      })),
    };
  }

  /** Whether a try is under way that may yet become a success: who pays the statement otherwise waits for it, or pays too much. */
  async isUnderWay(tx: Tx, statement: string): Promise<boolean> {
    const row = await tx.collection.findUnique({ where: { statementId: statement }, select: { state: true } });
    return row !== null && ['attempting', 'processing', 'requires_action', 'halted'].includes(row.state);
  }
}
