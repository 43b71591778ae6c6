import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

// A boundary rule that allows everything looks like one that holds. So a small house is built with one trespass per rule, and
// one lawful neighbour for each, and the cruiser has to report exactly the trespasses.

const checkout = join(__dirname, '..', '..');

const lawful: Record<string, string> = {
  'libs/core/money/src/index.ts': `export { unit } from './amount.js';`,
  'libs/core/money/src/amount.ts': `export const unit = 1n;`,
  'libs/core/pricing/src/index.ts': `import { unit } from '@core/money'; import { z } from 'zod'; export const rate = [unit, z];`,
  'libs/core/pricing/src/rate.spec.ts': `import { getAddress } from 'viem'; export const oracle = getAddress;`,
  'libs/platform/database/src/index.ts': `import { unit } from '@core/money'; import pg from 'pg'; export const db = [unit, pg];`,
  'libs/platform/chain/src/index.ts': `import { getAddress } from 'viem'; export const chain = getAddress;`,
  'libs/packages/metering-sdk/src/index.ts': `import { randomUUID } from 'node:crypto'; export const record = randomUUID;`,
  'libs/packages/x402-middleware/src/index.ts': `import { record } from '@farebox/metering'; export const gate = record;`,
  'libs/packages/x402-middleware/src/express.ts': `import type { Request } from 'express'; import { gate } from './index.js'; export const door = (_: Request) => gate;`,
  'libs/features/ledger/src/index.ts': `export { post } from './post.js';`,
  'libs/features/ledger/src/post.ts': `import { store } from './ledger.store.js'; export const post = store;`,
  'libs/features/ledger/src/ledger.store.ts': `import { db } from '@platform/database'; export const store = db;`,
  'libs/features/payments/src/index.ts': `import { post } from '@features/ledger'; export const pay = post;`,
  'libs/features/payments/src/pay.db.spec.ts': `import { chain } from '@platform/chain'; import fc from 'fast-check'; export const test = [chain, fc];`,
  'apps/api/src/main.ts': `import { pay } from '@features/payments'; import { door } from '@farebox/paywall/express'; export const api = [pay, door];`,
  'apps/worker/src/main.ts': `import { post } from '@features/ledger'; export const worker = post;`,
  'test/support/environment.ts': `import { api } from '../../apps/api/src/main.js'; export const environment = api;`,
};

const trespasses: [rule: string, file: string, source: string][] = [
  ['no-circular', 'libs/core/money/src/egg.ts', `import type { Hen } from './hen.js'; export type Egg = Hen;`],
  [
    'core-imports-only-core',
    'libs/core/money/src/file.ts',
    `import { readFileSync } from 'node:fs'; export const read = readFileSync;`,
  ],
  ['core-imports-only-core', 'libs/core/money/src/hex.ts', `import type { Hex } from 'viem'; export type Text = Hex;`],
  [
    'core-imports-only-core',
    'libs/core/money/src/rows.ts',
    `import { db } from '@platform/database'; export const rows = db;`,
  ],
  [
    'core-imports-only-core',
    'libs/core/money/src/rows.spec.ts',
    `import { post } from '@features/ledger'; export const rows = post;`,
  ],
  [
    'packages-import-only-packages',
    'libs/packages/x402-middleware/src/unit.ts',
    `import { unit } from '@core/money'; export const one = unit;`,
  ],
  [
    'metering-sdk-has-no-dependencies',
    'libs/packages/metering-sdk/src/parse.ts',
    `import { z } from 'zod'; export const parse = z;`,
  ],
  [
    'platform-imports-core-and-platform',
    'libs/platform/chain/src/post.ts',
    `import { post } from '@features/ledger'; export const again = post;`,
  ],
  [
    'features-reach-only-database-queues-telemetry',
    'libs/features/ledger/src/chain.ts',
    `import { chain } from '@platform/chain'; export const rail = chain;`,
  ],
  [
    'features-hold-no-technology',
    'libs/features/ledger/src/address.ts',
    `import { getAddress } from 'viem'; export const address = getAddress;`,
  ],
  [
    'features-in-order',
    'libs/features/accounts/src/index.ts',
    `import { post } from '@features/ledger'; export const open = post;`,
  ],
  [
    'features-in-order',
    'libs/features/refunds/src/index.ts',
    `import { post } from '@features/ledger'; export const refund = post;`,
  ],
  [
    'apps-are-imported-by-nobody',
    'apps/worker/src/borrow.ts',
    `import { api } from '../../api/src/main.js'; export const lent = api;`,
  ],
  [
    'libs-through-the-door',
    'libs/features/payments/src/window.ts',
    `import { post } from '../../ledger/src/post.js'; export const in1 = post;`,
  ],
  [
    'libs-through-the-door',
    'test/e2e/window.e2e-spec.ts',
    `import { post } from '../../libs/features/ledger/src/post.js'; export const in2 = post;`,
  ],
  ['stores-stay-inside', 'libs/features/pricing/src/index.ts', `export { sql } from './prices.store.js';`],
  [
    'not-to-tests',
    'apps/api/src/cheat.ts',
    `import { environment } from '../../../test/support/environment.js'; export const cheat = environment;`,
  ],
  ['not-to-dev-dep', 'apps/api/src/fuzz.ts', `import fc from 'fast-check'; export const fuzz = fc;`],
  ['not-to-unlisted', 'apps/api/src/luck.ts', `import ms from 'ms'; export const luck = ms;`],
  [
    'not-to-unresolvable',
    'apps/api/src/lost.ts',
    `import { lost } from '@features/nowhere'; export const found = lost;`,
  ],
  ['no-orphans', 'apps/api/src/alone.ts', `export const alone = true;`],
];

/** Lawful by themselves; a trespass needs them. (A cycle is reported once, from its first file.) */
const accomplices: Record<string, string> = {
  'libs/core/money/src/hen.ts': `import type { Egg } from './egg.js'; export type Hen = Egg;`,
  'libs/features/pricing/src/prices.store.ts': `import { db } from '@platform/database'; export const sql = db;`,
};

interface Violation {
  readonly from: string;
  readonly rule: { readonly name: string };
}

function cruise(files: Record<string, string>): string[] {
  const house = mkdtempSync(join(tmpdir(), 'farebox-house-'));
  try {
    for (const name of ['package.json', 'tsconfig.json', '.dependency-cruiser.mjs'])
      cpSync(join(checkout, name), join(house, name));
    symlinkSync(join(checkout, 'node_modules'), join(house, 'node_modules'), 'junction');
    for (const [file, source] of Object.entries(files)) {
      mkdirSync(dirname(join(house, file)), { recursive: true });
      writeFileSync(join(house, file), `${source}\n`);
    }
    const cruiser = join(checkout, 'node_modules', 'dependency-cruiser', 'bin', 'dependency-cruise.mjs');
    const args = [cruiser, '--config', '.dependency-cruiser.mjs', '--output-type', 'json', 'apps', 'libs', 'test'];
    const run = spawnSync(process.execPath, args, { cwd: house, encoding: 'utf8', maxBuffer: 1 << 26 });
    if (!run.stdout) throw new Error(run.stderr);
    const report = JSON.parse(run.stdout) as { summary: { violations: Violation[] } };
    return report.summary.violations.map(({ rule, from }) => `${rule.name}: ${from}`).sort();
  } finally {
    rmSync(house, { recursive: true, force: true });
  }
}

describe('the rings of the house', () => {
  it('let lawful imports pass', () => {
    expect(cruise(lawful)).toEqual([]);
  });

  it('name every trespass by its rule, and nothing else', () => {
    const sources = Object.fromEntries(trespasses.map(([, file, source]) => [file, source]));
    const expected = trespasses.map(([rule, file]) => `${rule}: ${file}`).sort();
    expect(cruise({ ...lawful, ...accomplices, ...sources })).toEqual(expected);
  });
});
