import pg from 'pg';
import { atDatabase, inDatabase } from './adapter.mjs';
import { log } from './log.mjs';

/** PostgreSQL's or the system's code → the one Prisma shows. */
const PRISMA_CODES = { '3D000': 'P1003', '28P01': 'P1000', ECONNREFUSED: 'P1001' };
const OTHER_CODE = 'P1010';

/** `cli can-connect-to-database | create-database | drop-database`: true when it worked. */
export async function runDatabaseCommand(command, url) {
  const name = decodeURIComponent(new URL(url).pathname.slice(1)) || 'postgres';
  const administer = (sql) =>
    inDatabase(atDatabase(url, 'postgres'), (client) => client.query(`${sql} ${pg.escapeIdentifier(name)}`));
  try {
    if (command === 'can-connect-to-database') await inDatabase(url, () => undefined);
    if (command === 'create-database') await administer('create database');
    if (command === 'drop-database') await administer('drop database');
    return true;
  } catch (error) {
    const code = PRISMA_CODES[error.code] ?? OTHER_CODE;
    const message = describe(code, error, name, new URL(url));
    process.stderr.write('\n');
    log('ERROR', message, { is_panic: false, error_code: code, message });
    return false;
  }
}

function describe(code, error, name, { hostname, port }) {
  if (code === 'P1003') return `Database \`${name}\` does not exist`;
  if (code === 'P1001') return `Can't reach database server at \`${hostname}:${port}\``;
  return String(error.message);
}
