import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { dataFolderFor, makeDataFolder, programsFor, serverAccount } from './postgres-files.mjs';
import { freePort } from './ports.mjs';
import { run, startServer, untilReady } from './process.mjs';

/** For data that nobody will miss: a machine that loses power loses the database. */
const NOT_DURABLE = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };

export async function startPostgres({ dir, port, log, durable = true, settings = {} }) {
  const account = serverAccount();
  const programs = programsFor(account);
  const data = dataFolderFor(dir, account);
  const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
  const logFile = log ?? join(dirname(dir), 'postgres.log');
  mkdirSync(dirname(logFile), { recursive: true });
  refuseSecondServer(data);
  if (!existsSync(join(data, 'PG_VERSION'))) await initialise(programs, data, account, env);

  const chosen = port ?? (await freePort());
  const options = {
    listen_addresses: '127.0.0.1',
    port: chosen,
    // Loopback is enough, and a socket file would need a folder both accounts may enter.
    unix_socket_directories: '',
    // Prisma's driver adapter sends and reads instants without a zone.
    TimeZone: 'UTC',
    ...(durable ? {} : NOT_DURABLE),
    ...settings,
  };
  const server = startServer({
    name: 'PostgreSQL',
    file: program(programs, 'postgres'),
    args: ['-D', data, ...Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    log: logFile,
    stopSignal: 'SIGINT', // Fast shutdown: open sessions are ended, what was committed is written.
    cwd: data,
    env,
    ...account,
  });
  const url = `postgresql://postgres@127.0.0.1:${chosen}`;
  await untilReady(server, () => isOurs(url, data));
  return Object.assign(server, { url, port: chosen, data });
}

const program = (programs, name) => join(programs, 'bin', process.platform === 'win32' ? `${name}.exe` : name);

async function initialise(programs, data, account, env) {
  makeDataFolder(data, account);
  const layout = ['-D', data, '-U', 'postgres', '--auth=trust', '--no-instructions', '--encoding=UTF8'];
  // The built-in provider sorts the same on every machine, whatever its C library.
  const locale = ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const { status, output } = await run(program(programs, 'initdb'), [...layout, ...locale], {
    cwd: data,
    env,
    ...account,
  });
  if (status === 0) return;
  rmSync(data, { recursive: true, force: true });
  throw new Error(`PostgreSQL could not make its data folder ${data}:\n${output.trim()}`);
}

/** Two servers over one folder would be refused by PostgreSQL as well, with a message about a lock file. */
function refuseSecondServer(data) {
  const lock = join(data, 'postmaster.pid');
  if (!existsSync(lock)) return;
  const [pid, , , port] = readFileSync(lock, 'utf8').split('\n');
  if (isPostgres(Number(pid))) {
    throw new Error(`PostgreSQL already runs on ${data} (process ${pid}, port ${port}): is another start still up?`);
  }
}

function isPostgres(pid) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code !== 'EPERM') return false;
  }
  const command = `/proc/${pid}/comm`;
  return existsSync(command) ? readFileSync(command, 'utf8').trim() === 'postgres' : true;
}

/** Whoever took the port first might answer in its place. */
async function isOurs(url, data) {
  const answer = await query(url, 'postgres', 'show data_directory');
  if (answer.rows[0]?.data_directory === data) return true;
  throw new Error(`another PostgreSQL answers at ${url}`);
}

async function query(serverUrl, database, text, values) {
  const client = new pg.Client({ connectionString: `${serverUrl}/${database}` });
  try {
    await client.connect();
    return await client.query(text, values);
  } finally {
    await client.end().catch(() => undefined);
  }
}

export async function ensureDatabase(serverUrl, name) {
  const found = await query(serverUrl, 'postgres', 'select 1 from pg_database where datname = $1', [name]);
  if (found.rowCount === 0) await query(serverUrl, 'postgres', `create database ${pg.escapeIdentifier(name)}`);
  return `${serverUrl}/${name}`;
}

export async function sealTemplate(serverUrl, name) {
  const quoted = pg.escapeIdentifier(name);
  await query(serverUrl, 'postgres', `alter database ${quoted} with is_template true allow_connections false`);
}

export async function copyDatabase(serverUrl, template, name) {
  const text = `create database ${pg.escapeIdentifier(name)} template ${pg.escapeIdentifier(template)}`;
  await query(serverUrl, 'postgres', text);
  return `${serverUrl}/${name}`;
}

export async function dropDatabase(serverUrl, name) {
  await query(serverUrl, 'postgres', `drop database if exists ${pg.escapeIdentifier(name)} with (force)`);
}

export function emptyPostgres(dir) {
  const data = dataFolderFor(dir);
  refuseSecondServer(data);
  rmSync(data, { recursive: true, force: true });
}
