import { PrismaPg } from '@prisma/adapter-pg';
import { ColumnTypeEnum } from '@prisma/driver-adapter-utils';
import pg from 'pg';

// Gaps of adapter-pg 7.10 that only the schema engine meets, closed here:
// - the catalogs' internal type "char" (oid 18) is not mapped;
// - executeScript splits at every semicolon, which cuts dollar-quoted function bodies in two;
// - a pool of several connections loses BEGIN and SET between the statements of one script;
// - the shadow database it hands out is the real one, because `connectionString` wins over `database`.

const CHAR_OID = 18;
const TEXT_OID = 25;

export async function inDatabase(url, work) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

export function atDatabase(url, name) {
  const other = new URL(url);
  other.pathname = `/${encodeURIComponent(name)}`;
  return other.href;
}

/** The adapter factory for the engine, with a shadow database of its own. */
export function createFactory({ url, shadowUrl }) {
  const factory = new PrismaPg({ connectionString: url, max: 1 });
  factory.connect = () => connect(url);
  factory.connectToShadowDb = () => (shadowUrl === undefined ? connectToNewShadow(url) : connect(shadowUrl));
  return factory;
}

async function connect(url) {
  return closeGaps(await new PrismaPg({ connectionString: url, max: 1 }).connect());
}

async function connectToNewShadow(url) {
  const name = `prisma_migrate_shadow_db_${crypto.randomUUID()}`;
  await inDatabase(url, (client) => client.query(`create database "${name}"`));
  const adapter = await connect(atDatabase(url, name));
  const dispose = adapter.dispose.bind(adapter);
  adapter.dispose = async () => {
    await dispose();
    await inDatabase(url, (client) => client.query(`drop database if exists "${name}" with (force)`));
  };
  return adapter;
}

function closeGaps(adapter) {
  const performIO = adapter.performIO.bind(adapter);
  const queryRaw = adapter.queryRaw.bind(adapter);
  let charColumns = [];
  adapter.performIO = async (query) => {
    const result = await performIO(query);
    const fields = result.fields ?? [];
    charColumns = [...fields.keys()].filter((index) => fields[index].dataTypeID === CHAR_OID);
    for (const index of charColumns) fields[index].dataTypeID = TEXT_OID;
    return result;
  };
  adapter.queryRaw = async (query) => {
    const result = await queryRaw(query);
    for (const index of charColumns) result.columnTypes[index] = ColumnTypeEnum.Character;
    return result;
  };
  adapter.executeScript = async (script) => {
    try {
      await adapter.client.query(script);
    } catch (error) {
      adapter.onError(error);
    }
  };
  return adapter;
}
