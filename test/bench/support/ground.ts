import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '../../../tools/migrate.mjs';
import { ensureDatabase, sealTemplate, startPostgres } from '../../../tools/servers/postgres.mjs';
import { startRedis } from '../../../tools/servers/redis.mjs';

/** Servers that all scenes of a bench share. */
export interface Ground {
  /** A folder of the bench's own, for data and logs. */
  readonly folder: string;
  /** Where the queues are: Redis, or undefined where there is none and PostgreSQL has them. */
  readonly redis: string | undefined;
  stop(): Promise<void>;
}

const TEMPLATE = 'farebox_template';

/**
 * Starts PostgreSQL as it runs in production, waiting for the disk at every commit, with a migrated template to copy, and
 * Redis. Test databases find them by the same variables as in the tests. `settings`: of PostgreSQL, beside its defaults.
 */
export async function startGround(settings: Readonly<Record<string, string>> = {}): Promise<Ground> {
  const folder = mkdtempSync(join(tmpdir(), 'farebox-bench-'));
  chmodSync(folder, 0o755); // PostgreSQL may run as another account.
  const postgres = await startPostgres({ dir: join(folder, 'postgres'), settings });
  try {
    await migrate(await ensureDatabase(postgres.url, TEMPLATE));
    await sealTemplate(postgres.url, TEMPLATE);
    const redis = await startRedis({ dir: join(folder, 'redis') });
    process.env['TEST_PG_URL'] = postgres.url;
    process.env['TEST_TEMPLATE'] = TEMPLATE;
    return {
      folder,
      redis: redis.url,
      stop: async () => {
        await Promise.all([postgres.stop(), redis.stop()]);
        rmSync(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}
