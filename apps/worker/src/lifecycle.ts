import type { BeforeApplicationShutdown, OnApplicationShutdown } from '@nestjs/common';
import type { Database, Writer } from '@platform/database';
import type { OutboxRelay } from '@platform/queues';
import type { Health } from './health.js';
import type { Schedules } from './schedules/schedules.js';

/**
 * Starts what runs by itself, and stops everything in order: first what makes work, then (by NestJS) the queues' workers, which
 * finish what they have begun, and last what the work needs.
 */
export class Lifecycle implements BeforeApplicationShutdown, OnApplicationShutdown {
  constructor(
    private readonly schedules: Schedules,
    private readonly health: Health,
    private readonly relay: OutboxRelay,
    private readonly writer: Writer,
    private readonly database: Database,
  ) {}

  /** Resolves with the port of the health door. */
  async start(port: number): Promise<number> {
    this.schedules.start();
    return this.health.listen(port);
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.health.close();
    await this.schedules.stop();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.relay.close();
  }

  /** After the application has closed: nothing uses the database any more. */
  async end(): Promise<void> {
    await Promise.all([this.writer.close(), this.database.close()]);
  }
}
