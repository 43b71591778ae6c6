import type { Writer } from '@platform/database';
import type { AttemptsStore } from './attempts/attempts.store.js';
import type { CollectionsStore } from './collections.store.js';
import type { WorkOnCollection } from './work-on-collection.js';

/** What a look at an intent came to. unknown: it is of no attempt of ours, or not yet · busy: another worker is looking. */
interface Looked {
  readonly outcome: 'looked' | 'settled' | 'unknown' | 'busy';
  readonly alarms: readonly string[];
}

/** Fetches a PaymentIntent somebody gave a hint about, and goes on from what it says. */
export class ConfirmAttempt {
  constructor(
    private readonly db: Writer,
    private readonly collections: CollectionsStore,
    private readonly attempts: AttemptsStore,
    private readonly work: WorkOnCollection,
  ) {}

  async run({ intent }: { readonly intent: string }): Promise<Looked> {
    const collection = await this.collections.ofIntent(this.db, intent);
    if (collection === undefined) return { outcome: 'unknown', alarms: [] };
    const open = await this.attempts.open(this.db, collection);
    if (open?.intent !== intent || open.state === 'halted') return { outcome: 'settled', alarms: [] };
    const lease = await this.collections.claimOne(this.db, collection);
    if (!lease) {
      await this.collections.hurry(this.db, collection);
      return { outcome: 'busy', alarms: [] };
    }
    return { outcome: 'looked', alarms: await this.work.run(lease) };
  }
}
