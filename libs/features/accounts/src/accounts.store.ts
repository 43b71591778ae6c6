import type { Instant } from '@core/time';
import { at, big, type Prisma, type Tx } from '@platform/database';
import type { Account, ListedKey, ProviderSettings } from './views.js';

type ProviderRow = Prisma.ProviderGetPayload<object>;
type KeyRow = Prisma.ProviderKeyGetPayload<object>;
type AccountRow = Prisma.AccountGetPayload<object>;

/** Providers, their keys and the accounts of their agents, as rows. */
export class AccountsStore {
  async insertProvider(tx: Tx, provider: ProviderSettings): Promise<void> {
    const { exposureCapPayer, exposureCapProvider, raiseAbove, createdAt, ...rest } = provider;
    await tx.provider.create({
      data: {
        ...rest,
        exposureCapPayer: exposureCapPayer.toString(),
        exposureCapProvider: exposureCapProvider.toString(),
        raiseAbove: raiseAbove?.toString() ?? null,
        createdAt: new Date(createdAt),
      },
    });
  }

  async provider(tx: Tx, id: string): Promise<ProviderSettings | undefined> {
    const row = await tx.provider.findUnique({ where: { id } });
    return row ? settingsOf(row) : undefined;
  }

  async updateProvider(tx: Tx, id: string, settings: ProviderSettings): Promise<void> {
    await tx.provider.update({
      where: { id },
      data: {
        name: settings.name,
        payTo: settings.payTo,
        exposureCapPayer: settings.exposureCapPayer.toString(),
        exposureCapProvider: settings.exposureCapProvider.toString(),
        raiseAbove: settings.raiseAbove?.toString() ?? null,
        raiseFirstPayment: settings.raiseFirstPayment,
      },
    });
  }

  async insertKey(tx: Tx, provider: string, key: ListedKey, hash: Buffer): Promise<void> {
    await tx.providerKey.create({
      data: {
        id: key.id,
        providerId: provider,
        name: key.name,
        scopes: [...key.scopes],
        hash: Uint8Array.from(hash),
        createdAt: new Date(key.createdAt),
        expiresAt: key.expiresAt === undefined ? null : new Date(key.expiresAt),
      },
    });
  }

  async keys(tx: Tx): Promise<ListedKey[]> {
    return (await tx.providerKey.findMany({ orderBy: { id: 'asc' } })).map(keyOf);
  }

  /** Revokes a key that is not revoked yet; its row as it is then, or undefined when there is no such key. */
  async revokeKey(tx: Tx, id: string, now: Instant): Promise<ListedKey | undefined> {
    await tx.providerKey.updateMany({ where: { id, revokedAt: null }, data: { revokedAt: new Date(now) } });
    const row = await tx.providerKey.findUnique({ where: { id } });
    return row ? keyOf(row) : undefined;
  }

  /** Whether the account was new: one with this name may exist already. */
  async insertAccount(tx: Tx, provider: string, account: Pick<Account, 'id' | 'name' | 'createdAt'>): Promise<boolean> {
    const { count } = await tx.account.createMany({
      data: [
        { id: account.id, providerId: provider, name: account.name ?? null, createdAt: new Date(account.createdAt) },
      ],
      skipDuplicates: true,
    });
    return count === 1;
  }

  async accountByName(tx: Tx, name: string): Promise<Account | undefined> {
    const row = await tx.account.findFirst({ where: { name } });
    return row ? (await this.#withWallets(tx, [row]))[0] : undefined;
  }

  async account(tx: Tx, id: string): Promise<Account | undefined> {
    const row = await tx.account.findUnique({ where: { id } });
    return row ? (await this.#withWallets(tx, [row]))[0] : undefined;
  }

  /** Accounts after `after` in order of id, at most `limit`. */
  async accounts(tx: Tx, page: { after: string | undefined; limit: number }): Promise<Account[]> {
    const where = page.after === undefined ? {} : { id: { gt: page.after } };
    return this.#withWallets(tx, await tx.account.findMany({ where, orderBy: { id: 'asc' }, take: page.limit }));
  }

  async #withWallets(tx: Tx, rows: readonly AccountRow[]): Promise<Account[]> {
    const wallets = await tx.identity.findMany({
      where: { kind: 'wallet', accountId: { in: rows.map(({ id }) => id) } },
      orderBy: { createdAt: 'asc' },
    });
    return rows.map((row) => ({
      id: row.id,
      name: row.name ?? undefined,
      wallets: wallets.filter(({ accountId }) => accountId === row.id).map(({ subject }) => subject),
      createdAt: at(row.createdAt),
    }));
  }
}

const settingsOf = (row: ProviderRow): ProviderSettings => ({
  id: row.id,
  name: row.name,
  payTo: row.payTo,
  exposureCapPayer: big(row.exposureCapPayer),
  exposureCapProvider: big(row.exposureCapProvider),
  raiseAbove: row.raiseAbove === null ? undefined : big(row.raiseAbove),
  raiseFirstPayment: row.raiseFirstPayment,
  createdAt: at(row.createdAt),
});

const keyOf = (row: KeyRow): ListedKey => ({
  id: row.id,
  name: row.name,
  scopes: row.scopes,
  createdAt: at(row.createdAt),
  expiresAt: row.expiresAt === null ? undefined : at(row.expiresAt),
  revokedAt: row.revokedAt === null ? undefined : at(row.revokedAt),
});
