import { CreateKey, CreateProvider, KEY_SCOPES } from '@features/accounts';
import { CreateMeter } from '@features/metering';
import { CreatePrice } from '@features/pricing';
import { Database } from '@platform/database';
import { Outbox } from '@platform/queues';
import { SystemClock, SystemIds } from '@platform/system';
import { erc20Asset } from '@core/money';
import { instant } from '@core/time';
import { CHAIN_ID } from '../../../tools/servers/chain.mjs';
import type { LocalUsdc } from '../../../tools/servers/usdc.mjs';
import { DEMO_METERS } from './demo-meters.js';
import { type DemoKeys, keepSecrets, type Secrets } from './secrets.js';
import type { Servers } from './servers.js';
import type { Wallets } from './wallets.js';

/** Before any usage there can be. Said every time, the same price stays the same version. */
const PRICED_SINCE = instant(Date.UTC(2026, 0, 1));
const USDC_DECIMALS = 6;

/** What the agent has to spend, made anew when it has less than a tenth of it left: atomic units. */
const ALLOWANCE = 100_000_000n;

/**
 * The demo provider with its keys, made by the commands that `npm run keys` uses, its meters and their prices. What an
 * earlier start made stays; what one left undone is done.
 */
export async function seed(
  servers: Servers,
  secretsFile: string,
  secrets: Secrets,
  wallets: Wallets,
): Promise<DemoKeys> {
  const database = new Database(servers.database.app, 2);
  try {
    const ids = new SystemIds();
    const clock = new SystemClock();
    const keys =
      secrets.keys ?? (await makeProvider(database, ids, clock, secrets.keyPepper, wallets.provider.address));
    if (secrets.keys === undefined) keepSecrets(secretsFile, { ...secrets, keys });

    const createMeter = new CreateMeter(database, ids, clock);
    const createPrice = new CreatePrice(database, new Outbox(), clock, ids);
    for (const { price, ...meter } of DEMO_METERS) {
      await createMeter.run({ provider: keys.provider, ...meter });
      if (price === undefined) continue;
      await createPrice.run({
        provider: keys.provider,
        meter: meter.name,
        ...price,
        asset: { id: erc20Asset(CHAIN_ID, servers.usdc.address), decimals: USDC_DECIMALS },
        effectiveAt: PRICED_SINCE,
      });
    }
    return keys;
  } finally {
    await database.close();
  }
}

async function makeProvider(
  database: Database,
  ids: SystemIds,
  clock: SystemClock,
  pepper: string,
  payTo: string,
): Promise<DemoKeys> {
  const { id: provider } = await new CreateProvider(database, ids, clock).run({ name: 'Demo provider', payTo });
  const createKey = new CreateKey(database, ids, clock, pepper);
  const service = await createKey.run({
    provider,
    name: 'demo server',
    scopes: ['gate', 'ingest'],
    environment: 'test',
  });
  const owner = await createKey.run({ provider, name: 'this machine', scopes: KEY_SCOPES, environment: 'test' });
  return { provider, service: service.text, owner: owner.text };
}

/** Sees to it that the agent can pay. Returns its balance in atomic units. */
export async function fundAgent(usdc: LocalUsdc, wallets: Wallets): Promise<bigint> {
  const balance = await usdc.balance(wallets.agent.address);
  if (balance * 10n >= ALLOWANCE) return balance;
  await usdc.mint(wallets.agent.address, ALLOWANCE);
  return balance + ALLOWANCE;
}
