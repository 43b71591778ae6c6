import { argv, env, exit, stderr, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { ID_PREFIXES, isId } from '@core/ids';
import { formatInstant, parseInstant } from '@core/time';
import {
  CreateKey,
  CreateProvider,
  isKeyScope,
  KEY_SCOPES,
  type KeyScope,
  ListKeys,
  ReadProvider,
  RevokeKey,
} from '@features/accounts';
import { Database } from '@platform/database';
import { SystemClock, SystemIds } from '@platform/system';

const USAGE = `Makes, lists and revokes the keys of providers. Reads DATABASE_URL and KEY_PEPPER.

  keys create --provider <name> --pay-to <0x address>   a new provider and its first key
  keys create --provider <prv_…>                        another key of a provider
      [--scopes ${KEY_SCOPES.join(',')}]  all when absent
      [--name <what it is for>] [--env live|test] [--expires <RFC 3339>]
  keys list   --provider <prv_…>
  keys revoke --provider <prv_…> --key <key_…>

A key is printed once. Only a keyed hash of it is kept.`;

/** What the operator got wrong; said without a stack. */
class Misuse extends Error {}

interface Options {
  readonly provider?: string | undefined;
  readonly 'pay-to'?: string | undefined;
  readonly scopes?: string | undefined;
  readonly name?: string | undefined;
  readonly env?: string | undefined;
  readonly expires?: string | undefined;
  readonly key?: string | undefined;
}

const text = { type: 'string' } as const;

async function main(): Promise<void> {
  const { values, positionals } = readArguments();
  const [command] = positionals;
  if (command === undefined || values.help) {
    stdout.write(`${USAGE}\n`);
    return;
  }
  const pepper = variable('KEY_PEPPER');
  if (pepper.length < 32) throw new Misuse('KEY_PEPPER: must be at least 32 characters of random text');
  const database = new Database(variable('DATABASE_URL'), 2);
  try {
    if (command === 'create') await create(database, pepper, values);
    else if (command === 'list') await list(database, values);
    else if (command === 'revoke') await revoke(database, values);
    else throw new Misuse(`There is no command "${command}".\n\n${USAGE}`);
  } finally {
    await database.close();
  }
}

function readArguments() {
  try {
    const options = {
      provider: text,
      'pay-to': text,
      scopes: text,
      name: text,
      env: text,
      expires: text,
      key: text,
      help: { type: 'boolean' },
    } as const;
    return parseArgs({ args: argv.slice(2), options, allowPositionals: true });
  } catch (error) {
    throw new Misuse(`${error instanceof Error ? error.message : 'The arguments cannot be read.'}\n\n${USAGE}`);
  }
}

async function create(database: Database, pepper: string, options: Options): Promise<void> {
  const [clock, ids] = [new SystemClock(), new SystemIds()];
  const named = required(options.provider, '--provider');
  const scopes = readScopes(options.scopes);
  const expiresAt = options.expires === undefined ? undefined : parseInstant(options.expires);
  if (options.expires !== undefined && expiresAt === undefined)
    throw new Misuse('--expires: give a date-time such as 2027-01-01T00:00:00Z');
  if (options.env !== undefined && options.env !== 'live' && options.env !== 'test')
    throw new Misuse('--env: live or test');
  const provider = isId(named, ID_PREFIXES.provider)
    ? await new ReadProvider(database).run(named)
    : await new CreateProvider(database, ids, clock).run({
        name: named,
        payTo: required(options['pay-to'], '--pay-to'),
      });
  const made = await new CreateKey(database, ids, clock, pepper).run({
    provider: provider.id,
    name: options.name ?? 'made by the keys command',
    scopes,
    environment: options.env ?? 'live',
    expiresAt,
  });
  stdout.write(
    `provider  ${provider.id}  ${provider.name}\npaid to   ${provider.payTo}\nkey       ${made.key.id}  ${scopes.join(' ')}\n\n${made.text}\n`,
  );
  stderr.write('\nThis is the only time the key is shown.\n');
}

async function list(database: Database, options: Options): Promise<void> {
  const keys = await new ListKeys(database).run(providerId(options));
  for (const { id, name, scopes, createdAt, expiresAt, revokedAt } of keys) {
    const end =
      revokedAt === undefined
        ? expiresAt === undefined
          ? ''
          : `  expires ${formatInstant(expiresAt)}`
        : `  revoked ${formatInstant(revokedAt)}`;
    stdout.write(`${id}  ${formatInstant(createdAt)}  ${scopes.join(',')}  ${name}${end}\n`);
  }
}

async function revoke(database: Database, options: Options): Promise<void> {
  const key = await new RevokeKey(database, new SystemClock()).run({
    provider: providerId(options),
    key: required(options.key, '--key'),
  });
  stdout.write(`${key.id} is revoked; it stops working everywhere within 5 seconds.\n`);
}

function readScopes(given: string | undefined): readonly KeyScope[] {
  if (given === undefined) return KEY_SCOPES;
  const scopes = given.split(',').map((scope) => scope.trim());
  const unknown = scopes.filter((scope) => !isKeyScope(scope));
  if (unknown.length > 0)
    throw new Misuse(`--scopes: ${unknown.join(', ')} is none; there are ${KEY_SCOPES.join(', ')}`);
  return scopes.filter(isKeyScope);
}

function providerId(options: Options): string {
  const id = required(options.provider, '--provider');
  if (!isId(id, ID_PREFIXES.provider))
    throw new Misuse('--provider: give the id of the provider, prv_…, as `keys create` printed it');
  return id;
}

function required(value: string | undefined, name: string): string {
  if (value === undefined || value === '') throw new Misuse(`${name} is missing.\n\n${USAGE}`);
  return value;
}

/** The environment of the service is larger than what keys need, so these two are read here. */
function variable(name: 'DATABASE_URL' | 'KEY_PEPPER'): string {
  const value = env[name];
  if (value === undefined || value === '') throw new Misuse(`${name}: must be set (see .env.example)`);
  return value;
}

main().catch((error: unknown) => {
  stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  exit(1);
});
