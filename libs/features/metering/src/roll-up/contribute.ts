import type { Contributions, UsageBatch } from '@core/metering';
import type { Hearing, OpenEntry } from './catalogue.js';

/**
 * Adds what an entry says to what changes. `skipped`: ordinals that do not count besides those the entry says itself.
 * An entry of corrections counts as a whole or not at all.
 */
export function contribute(
  to: Contributions,
  open: OpenEntry,
  hearing: Hearing,
  skipped: readonly number[] = [],
): void {
  const { entry } = open;
  const metersOf = (batch: UsageBatch) => batch.types.map((type) => hearing.listening(entry.provider, type));
  const isSkipped = entry.skip.length + skipped.length > 0;
  if ('batch' in open) {
    const { batch } = open;
    to.add(
      batch,
      { accounts: entry.accounts, meters: metersOf(batch) },
      entry.position,
      isSkipped ? { skip: new Set([...entry.skip, ...skipped]) } : {},
    );
    return;
  }
  if (isSkipped) return;
  if ('sold' in open) {
    for (const { account, meter: number, time, quantity } of open.sold) {
      const meter = hearing.numbered(number);
      if (meter) to.addSold({ account, meter, time, quantity });
    }
    return;
  }
  for (const { sign, batch, accounts, receipts } of open.parts) {
    to.add(batch, { accounts, meters: metersOf(batch) }, entry.position, { sign, receipts });
  }
}
