import pg from 'pg';
import {
  createTestDatabase,
  seedProvider,
  type SeededProvider,
  type TestDatabase,
} from '../../../../test/support/database.js';
import { Database } from './index.js';

describe('row-level security', () => {
  let db: TestDatabase;
  let owner: pg.Pool;
  let app: pg.Pool;
  let database: Database;
  let ours: SeededProvider;
  let theirs: SeededProvider;
  let owned: string[];

  beforeAll(async () => {
    db = await createTestDatabase();
    owner = new pg.Pool({ connectionString: db.ownerUrl, max: 2 });
    app = new pg.Pool({ connectionString: db.appUrl, max: 2 });
    database = new Database(db.appUrl, 2);
    ours = await seedProvider(db);
    theirs = await seedProvider(db);
    const { rows } = await owner.query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
       WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attname = 'provider_id' ORDER BY 1`,
    );
    owned = rows.map(({ name }) => name);
  });

  afterAll(async () => {
    await Promise.all([database.close(), app.end(), owner.end()]);
    await db.drop();
  });

  it('is on and forced for every table that has a provider', async () => {
    expect(owned.length).toBeGreaterThan(12);
    const { rows } = await owner.query<{ name: string }>(
      'SELECT relname AS name FROM pg_class WHERE relname = ANY ($1) AND NOT (relrowsecurity AND relforcerowsecurity)',
      [[...owned, 'providers']],
    );
    expect(rows).toEqual([]);
  });

  it('lets no role reach a partition but through its table', async () => {
    const { rows } = await owner.query<{ partition: string; role: string }>(
      `SELECT c.relname AS partition, r.rolname AS role FROM pg_class c CROSS JOIN pg_roles r
       WHERE c.relispartition AND r.rolname LIKE 'farebox%' AND has_any_column_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE')`,
    );
    expect(rows).toEqual([]);
  });

  it('shows no rows while no provider is set', async () => {
    for (const table of [...owned, 'providers']) {
      const { rows } = await app.query<{ n: string }>(`SELECT count(*) AS n FROM ${pg.escapeIdentifier(table)}`);
      expect({ table, seen: rows[0]?.n }).toEqual({ table, seen: '0' });
    }
  });

  it('shows a provider its own rows, whatever the query asks for, and takes no row of another', async () => {
    const seen = await database.forProvider(ours.provider, (tx) => tx.account.findMany());
    expect(seen.map(({ id }) => id)).toEqual([ours.account]);
    const asked = await database.forProvider(ours.provider, (tx) =>
      tx.account.findMany({ where: { providerId: theirs.provider } }),
    );
    expect(asked).toEqual([]);
    const changed = await database.forProvider(ours.provider, (tx) =>
      tx.account.updateMany({ where: { id: theirs.account }, data: { name: 'mine now' } }),
    );
    expect(changed.count).toBe(0);
    await expect(
      database.forProvider(ours.provider, (tx) =>
        tx.account.create({ data: { id: 'acct_x', providerId: theirs.provider } }),
      ),
    ).rejects.toThrow(/row-level security/);
  });

  it('forgets the provider with the transaction', async () => {
    await database.forProvider(ours.provider, (tx) => tx.account.count());
    const { rows } = await app.query<{ n: string }>('SELECT count(*) AS n FROM accounts');
    expect(rows[0]?.n).toBe('0');
  });

  it('leaves ledger rows to nobody to change: not the services, not the owner', async () => {
    for (const [pool, refusal] of [
      [app, /permission denied/],
      [new pg.Pool({ connectionString: db.writerUrl, max: 1 }), /permission denied/],
      [owner, /append-only/],
    ] as const) {
      await owner.query(
        "INSERT INTO ledger_accounts (id, provider_id, code, asset) VALUES ('la_1', $1, '1025', 'x'), ('la_2', $1, '1020', 'x') ON CONFLICT DO NOTHING",
        [ours.provider],
      );
      await owner.query(
        "INSERT INTO transfers (provider_id, entry, posting_key, debit_id, credit_id, asset, amount, reason, reference) VALUES ($1, 'e', 'k', 'la_1', 'la_2', 'x', 1, 'r', 'r') ON CONFLICT DO NOTHING",
        [ours.provider],
      );
      await expect(pool.query('UPDATE transfers SET amount = 2')).rejects.toThrow(refusal);
      await expect(pool.query('DELETE FROM transfers')).rejects.toThrow(refusal);
      await expect(pool.query('TRUNCATE transfers')).rejects.toThrow(/permission denied|append-only/);
      if (pool !== app && pool !== owner) await pool.end();
    }
  });
});
