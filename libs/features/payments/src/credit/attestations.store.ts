import { type AssetId, assetId } from '@core/money';
import { type Instant, instant } from '@core/time';
import { big, type Writer, type WriterTx } from '@platform/database';

/** An attestation as it was issued. */
export interface IssuedAttestation {
  /** `cra_…`: its `jti`. */
  readonly id: string;
  readonly provider: string;
  readonly account: string;
  /** `hld_…`: what it promises. */
  readonly hold: string;
  /** By what the agent was known that asked for it. */
  readonly knownBy: 'key' | 'wallet' | 'directory';
  readonly subject: string;
  /** As the claims say it. */
  readonly resource: string;
  readonly method: string | undefined;
  readonly asset: AssetId;
  readonly amount: bigint;
  readonly issuedAt: Instant;
  /** Until when it may be presented. */
  readonly expiresAt: Instant;
  readonly holdExpiresAt: Instant;
}

/** What a presentation is for: the same again is a repeat, anything else is refused. */
export interface Presentation {
  /** SHA-256. */
  readonly binding: Buffer;
  /** Names the arrival of the request. */
  readonly attempt: string | undefined;
}

export interface StoredAttestation extends IssuedAttestation {
  readonly presented: Presentation | undefined;
  /** Whether what the agent was known by when it asked still is of the account. */
  readonly stillKnown: boolean;
}

interface Row {
  id: string;
  provider_id: string;
  account_id: string;
  hold_id: string;
  known_by: IssuedAttestation['knownBy'];
  subject: string;
  resource: string;
  method: string | null;
  asset: string;
  amount: string;
  issued_at: Date;
  expires_at: Date;
  hold_expires_at: Date;
  binding: Buffer | null;
  attempt: string | null;
  still_known: boolean;
}

const SELECT = `SELECT a.id, a.provider_id, a.account_id, a.hold_id, a.known_by, a.subject, a.resource, a.method, a.asset, a.amount::text, a.issued_at,
    a.expires_at, a.hold_expires_at, a.binding, a.attempt,
    CASE a.known_by
      WHEN 'key' THEN EXISTS (SELECT FROM agent_keys k WHERE k.id = a.subject AND k.account_id = a.account_id AND k.revoked_at IS NULL
        AND (k.expires_at IS NULL OR k.expires_at > $2))
      ELSE EXISTS (SELECT FROM identities i WHERE i.provider_id = a.provider_id AND i.kind = a.known_by AND i.subject = a.subject
        AND i.account_id = a.account_id)
    END AS still_known
  FROM credit_attestations a WHERE a.id = $1`;

/** Attestations as rows. They are written once and presented once. */
export class AttestationStore {
  constructor(private readonly writer: Writer) {}

  /** Writes it; one that is there already stays as it is. */
  async issue(issued: IssuedAttestation): Promise<void> {
    await this.writer.query(
      `INSERT INTO credit_attestations (id, provider_id, account_id, hold_id, known_by, subject, resource, method, asset, amount, issued_at, expires_at,
         hold_expires_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING`,
      [
        issued.id,
        issued.provider,
        issued.account,
        issued.hold,
        issued.knownBy,
        issued.subject,
        issued.resource,
        issued.method ?? null,
        issued.asset,
        issued.amount.toString(),
        new Date(issued.issuedAt),
        new Date(issued.expiresAt),
        new Date(issued.holdExpiresAt),
      ],
    );
  }

  async find(id: string, now: Instant): Promise<StoredAttestation | undefined> {
    const [row] = await this.writer.query<Row>(SELECT, [id, new Date(now)]);
    return row && storedOf(row);
  }

  /** The same, and nobody else presents it until the transaction ends. */
  async lock(tx: WriterTx, id: string, now: Instant): Promise<StoredAttestation | undefined> {
    const [row] = await tx.query<Row>(`${SELECT} FOR UPDATE OF a`, [id, new Date(now)]);
    return row && storedOf(row);
  }

  /** Whether it was presented now: it was not before. */
  async present(tx: WriterTx, id: string, { binding, attempt }: Presentation, now: Instant): Promise<boolean> {
    const rows = await tx.query(
      'UPDATE credit_attestations SET binding = $2, attempt = $3, presented_at = $4 WHERE id = $1 AND binding IS NULL RETURNING id',
      [id, binding, attempt ?? null, new Date(now)],
    );
    return rows.length === 1;
  }
}

const storedOf = (row: Row): StoredAttestation => ({
  id: row.id,
  provider: row.provider_id,
  account: row.account_id,
  hold: row.hold_id,
  knownBy: row.known_by,
  subject: row.subject,
  resource: row.resource,
  method: row.method ?? undefined,
  asset: assetId(row.asset),
  amount: big(row.amount),
  issuedAt: instant(row.issued_at.getTime()),
  expiresAt: instant(row.expires_at.getTime()),
  holdExpiresAt: instant(row.hold_expires_at.getTime()),
  presented: row.binding === null ? undefined : { binding: row.binding, attempt: row.attempt ?? undefined },
  stillKnown: row.still_known,
});
