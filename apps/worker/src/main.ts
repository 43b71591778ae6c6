import 'reflect-metadata';
import { env } from 'node:process';
import { type Config, readConfig } from '@platform/config';
import { createLogger } from '@platform/telemetry';
import { createWorker } from './create-worker.js';

/** A worker that cannot finish what it has begun is ended: what it leaves undone is found again. */
const SHUTDOWN_MS = 15_000;

const config = configOrExit();
const logger = createLogger({ service: 'worker', level: config.LOG_LEVEL });
const worker = await createWorker(config, logger);
logger.info(
  { port: worker.port, chainId: config.CHAIN_ID, relayers: config.RELAYER_KEYS?.length ?? 0 },
  'worker ready',
);

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    logger.info({ signal }, 'worker stops');
    setTimeout(() => process.exit(1), SHUTDOWN_MS).unref();
    worker.close().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'the worker did not stop cleanly');
        process.exit(1);
      },
    );
  });
}

function configOrExit(): Config {
  try {
    return readConfig(env);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  }
}
