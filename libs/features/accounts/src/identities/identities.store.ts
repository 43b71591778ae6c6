import { type IdentityKind, type IdentityProof, isIdentityKind, isIdentityProof } from '@core/agents';
import { Fault } from '@core/faults';
import type { Instant } from '@core/time';
import { at, type Prisma, type Tx, type Writer } from '@platform/database';
import type { Identity } from '../views.js';

type IdentityRow = Prisma.IdentityGetPayload<object>;

export interface IdentityName {
  readonly provider: string;
  readonly kind: IdentityKind;
  readonly subject: string;
}

/** What identifies accounts, as rows. */
export class IdentitiesStore {
  /** Whether the identity was free and is now the account's. */
  async insert(
    tx: Tx,
    { provider, kind, subject }: IdentityName,
    account: string,
    { proof, now }: { proof: IdentityProof; now: Instant },
  ): Promise<boolean> {
    const { count } = await tx.identity.createMany({
      data: [{ providerId: provider, kind, subject, accountId: account, proof, createdAt: new Date(now) }],
      skipDuplicates: true,
    });
    return count === 1;
  }

  async identity(tx: Tx, { kind, subject }: Omit<IdentityName, 'provider'>): Promise<Identity | undefined> {
    const row = await tx.identity.findFirst({ where: { kind, subject } });
    return row ? identityOf(row) : undefined;
  }

  async identities(tx: Tx, account: string): Promise<Identity[]> {
    const rows = await tx.identity.findMany({
      where: { accountId: account },
      orderBy: [{ createdAt: 'asc' }, { kind: 'asc' }, { subject: 'asc' }],
    });
    return rows.map(identityOf);
  }

  /** Whether the account had the identity. */
  async remove(tx: Tx, account: string, { kind, subject }: Omit<IdentityName, 'provider'>): Promise<boolean> {
    const { count } = await tx.identity.deleteMany({ where: { accountId: account, kind, subject } });
    return count === 1;
  }

  /** The account of each identity, in order; undefined for one that nobody has. */
  async accounts(writer: Writer, names: readonly IdentityName[]): Promise<(string | undefined)[]> {
    const rows = await writer.query<{ place: number; account: string }>(
      `SELECT n.place::int AS place, i.account_id AS account
       FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS n (provider, kind, subject, place)
       JOIN identities i ON i.provider_id = n.provider AND i.kind = n.kind AND i.subject = n.subject`,
      [names.map(({ provider }) => provider), names.map(({ kind }) => kind), names.map(({ subject }) => subject)],
    );
    const found = new Map(rows.map(({ place, account }) => [place, account]));
    return names.map((_, i) => found.get(i + 1));
  }
}

function identityOf({ kind, subject, accountId, proof, createdAt }: IdentityRow): Identity {
  if (!isIdentityKind(kind) || !isIdentityProof(proof))
    throw new Fault('invariant_broken', 'an identity has a kind or a proof that there is none of');
  return { kind, subject, account: accountId, proof, linkedAt: at(createdAt) };
}
