import type { Database } from '@platform/database';
import { MeterReader, type StoredMeter } from './meter.reader.js';

/** The provider's meters, in order of name. */
export class ListMeters {
  readonly #meters = new MeterReader();

  constructor(private readonly database: Database) {}

  async run(input: { readonly provider: string }): Promise<StoredMeter[]> {
    return this.database.forProvider(input.provider, (tx) => this.#meters.list(tx));
  }
}
