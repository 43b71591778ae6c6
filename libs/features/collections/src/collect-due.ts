import type { Writer } from '@platform/database';
import type { CollectionsStore } from './collections.store.js';
import type { WorkOnCollection } from './work-on-collection.js';

interface Collected {
  readonly collections: number;
  /** What an operator must know. */
  readonly alarms: readonly string[];
}

/** Works on what is due, several at once: most of the time of each is spent waiting for the rail. */
export class CollectDue {
  constructor(
    private readonly db: Writer,
    private readonly collections: CollectionsStore,
    private readonly work: WorkOnCollection,
    private readonly atOnce = 4,
  ) {}

  /** Until nothing is due. One that fails keeps its place, and is reported when the others are done. */
  async run(): Promise<Collected> {
    const tally = { collections: 0, alarms: new Array<string>() };
    const failures: unknown[] = [];
    const lane = async (): Promise<void> => {
      for (;;) {
        const lease = await this.collections.claim(this.db);
        if (!lease) return;
        tally.collections += 1;
        try {
          tally.alarms.push(...(await this.work.run(lease)));
        } catch (error) {
          failures.push(error);
        }
      }
    };
    await Promise.all(Array.from({ length: this.atOnce }, lane));
    if (failures.length > 0) throw failures[0];
    return tally;
  }
}
