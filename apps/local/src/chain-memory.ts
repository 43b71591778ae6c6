import pg from 'pg';
import { rpc } from '../../../tools/servers/rpc.mjs';

/**
 * Refuses a chain that is not the one the database has seen: gone, or taken up from before the last payments because the
 * machine lost power. Payments recorded as final would be on a chain that never saw them.
 * @throws Error that says how to go on
 */
export async function refuseOtherChain(ownerUrl: string, chainUrl: string): Promise<void> {
  const database = new pg.Client({ connectionString: ownerUrl });
  try {
    await database.connect();
    const { rows } = await database.query<{ number: string; hash: string }>(
      `select block_number::text as number, '0x' || encode(block_hash, 'hex') as hash
       from payments where state = 'settled' and block_hash is not null order by block_number desc limit 1`,
    );
    const [last] = rows;
    if (last === undefined || (await hashAt(chainUrl, BigInt(last.number))) === last.hash) return;
  } finally {
    await database.end();
  }
  throw new Error(
    'The database remembers payments that the local chain does not. Start with --fresh to begin anew, or with ' +
      '--data <folder> to leave everything as it is.',
  );
}

async function hashAt(chainUrl: string, number: bigint): Promise<unknown> {
  const block = await rpc(chainUrl, 'eth_getBlockByNumber', `0x${number.toString(16)}`, false);
  return typeof block === 'object' && block !== null ? Reflect.get(block, 'hash') : undefined;
}
