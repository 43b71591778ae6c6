import { NestFactory } from '@nestjs/core';
import type { Config } from '@platform/config';
import { type Logger, NestLogger } from '@platform/telemetry';
import { Lifecycle } from './lifecycle.js';
import { WorkerModule } from './worker.module.js';

interface RunningWorker {
  /** Where health and metrics are. */
  readonly port: number;
  /** Finishes what is under way and ends everything. Harmless when repeated. */
  close(): Promise<void>;
}

/** Starts a worker. It needs neither the database nor the queue nor the chain to be up; it waits for them. */
export async function createWorker(config: Config, logger: Logger): Promise<RunningWorker> {
  const app = await NestFactory.createApplicationContext(WorkerModule.forConfig(config, logger), {
    logger: new NestLogger(logger),
  });
  const lifecycle = app.get(Lifecycle);
  const port = await lifecycle.start(config.WORKER_PORT);
  let closing: Promise<void> | undefined;
  return {
    port,
    close: () => (closing ??= app.close().then(() => lifecycle.end())),
  };
}
