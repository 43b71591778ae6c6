import type { IdentityProof } from '@core/agents';
import type { Instant } from '@core/time';
import type { Writer } from '@platform/database';

/** A proof that is shown, by what makes it one of its kind. */
export interface ShownProof {
  readonly provider: string;
  readonly kind: Exclude<IdentityProof, 'payment'>;
  /** SHA-256. */
  readonly digest: Buffer;
  /** Names the arrival of the request it came with. */
  readonly attempt: string | undefined;
  /** From when on the proof cannot be taken anyhow. */
  readonly expiresAt: Instant;
}

/** Proofs that were used, as rows. */
export class UsedProofsStore {
  /**
   * Which of these proofs may be used: those never seen, and those seen with the same attempt. Proofs with equal digests must not
   * be given together. Rows are written in one order, so that two batches cannot wait for each other.
   */
  async claim(writer: Writer, proofs: readonly ShownProof[]): Promise<ReadonlySet<string>> {
    const rows = await writer.query<{ claimed: string }>(
      `INSERT INTO used_proofs AS u (provider_id, kind, digest, attempt, expires_at)
       SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::timestamptz[]) AS p (provider, kind, digest, attempt, until)
       ORDER BY provider, kind, digest
       ON CONFLICT (provider_id, kind, digest) DO UPDATE SET attempt = excluded.attempt WHERE u.attempt = excluded.attempt
       RETURNING provider_id || ' ' || kind || ' ' || encode(digest, 'hex') AS claimed`,
      [
        proofs.map(({ provider }) => provider),
        proofs.map(({ kind }) => kind),
        proofs.map(({ digest }) => digest),
        proofs.map(({ attempt }) => attempt ?? null),
        proofs.map(({ expiresAt }) => new Date(expiresAt)),
      ],
    );
    return new Set(rows.map(({ claimed }) => claimed));
  }

  /** Forgets proofs that can no longer be taken, at most `most`. @returns how many */
  async forget(writer: Writer, now: Instant, most: number): Promise<number> {
    const rows = await writer.query<{ digest: Buffer }>(
      `DELETE FROM used_proofs WHERE ctid IN (
         SELECT ctid FROM used_proofs WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING digest`,
      [new Date(now), most],
    );
    return rows.length;
  }
}
