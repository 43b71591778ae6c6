import { env } from 'node:process';
import { readConfig } from '@platform/config';
import { createApp } from './create-app.js';

/** Longest a stop may take before the process goes as it is; running requests end long before. */
const STOP_MS = 25_000;

async function main(): Promise<void> {
  const config = readConfig(env);
  const api = await createApp(config);
  const { logger } = api.rim;
  const url = await api.listen(config.API_PORT, config.API_HOST);
  logger.info({ url, publicUrl: config.PUBLIC_URL }, 'api listens');

  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) return;
    stopping = true;
    logger.info({ signal }, 'api stops');
    setTimeout(() => process.exit(1), STOP_MS).unref();
    api.close().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'api did not stop cleanly');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
});
