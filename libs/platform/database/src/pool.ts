import pg from 'pg';

/**
 * A pool whose sessions run in UTC: the Prisma adapter sends and reads timestamps without a zone, so any other zone would
 * shift every instant.
 */
export function openPool(connectionString: string, max: number): pg.Pool {
  const pool = new pg.Pool({ connectionString, max, options: '-c TimeZone=UTC', connectionTimeoutMillis: 5_000 });
  // A connection that breaks while idle is replaced on the next use; without a listener it would end the process.
  pool.on('error', () => undefined);
  // The same for one that is lent out: the query under way fails, and that failure is the borrower's to handle.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}
