import type { IdSource } from '@core/ids';
import type { Clock } from '@core/time';
import type { Config } from '@platform/config';
import { Database, Writer } from '@platform/database';
import { SystemClock, SystemIds } from '@platform/system';
import { createLogger, type Logger, Metrics } from '@platform/telemetry';

/** What the api stands on: opened once per process, before the first request. */
export interface Rim {
  readonly config: Config;
  readonly database: Database;
  readonly writer: Writer;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export function openRim(config: Config, replaced: Partial<Rim> = {}): Rim {
  return {
    config,
    database: replaced.database ?? new Database(config.DATABASE_URL, config.DATABASE_POOL),
    writer: replaced.writer ?? new Writer(config.DATABASE_WRITER_URL, config.DATABASE_POOL),
    clock: replaced.clock ?? new SystemClock(),
    ids: replaced.ids ?? new SystemIds(),
    logger: replaced.logger ?? createLogger({ service: 'api', level: config.LOG_LEVEL }),
    metrics: replaced.metrics ?? new Metrics({ ofProcess: config.NODE_ENV !== 'test' }),
  };
}

export async function closeRim(rim: Rim): Promise<void> {
  await Promise.all([rim.database.close(), rim.writer.close()]);
}
