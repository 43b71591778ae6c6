import { Fault } from '@core/faults';
import type { Receipt, SentEvent } from '@core/metering';
import type { Writer } from '@platform/database';
import { type CatchesUp, inChunks } from '../corrections/correction.store.js';
import { IdentityStore, eventIdentity } from '../doors/identity.store.js';
import { LogReader, readBody } from './log.reader.js';
import { type Querying, queryRows } from './query-rows.js';
import { RollUpStore } from '../roll-up/roll-up.store.js';

/** (source, id) of an event of one provider. */
export type EventName = Pick<SentEvent, 'source' | 'id'>;

/** One text for a name: names are printable, so a line feed is part of none. */
export const nameKey = ({ source, id }: EventName): string => `${source}\n${id}`;

/** Ids of the stream door: `<stream>.<seq>.<ordinal>`. */
const STREAM_ID = /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.([1-9]\d{0,15})\.(0|[1-9]\d{0,5})$/;

const CATCH_UPS = 5;

/** Finds events by their identity. */
export class EventFinder {
  readonly #log = new LogReader();
  readonly #rollUps = new RollUpStore();
  readonly #identities: IdentityStore;

  constructor(
    private readonly writer: Writer,
    private readonly rollUp: CatchesUp,
  ) {
    this.#identities = new IdentityStore(writer);
  }

  /**
   * The receipt of an event, rolled up if it was not yet, so that it is known whether it counts; undefined when there is none.
   * @throws Fault unavailable when the roll-up is too far behind
   */
  async find(provider: string, name: EventName): Promise<Receipt | undefined> {
    for (let turn = 0; ; turn += 1) {
      const receipt = await this.#stored(provider, name);
      if (!receipt || receipt.position <= (await this.#log.cursor(this.writer))) return receipt;
      if (turn >= CATCH_UPS) throw behind();
      await this.rollUp.run({ through: 'now' });
    }
  }

  async #stored(provider: string, name: EventName): Promise<Receipt | undefined> {
    const streamed = await findStreamed(this.writer, provider, [name]);
    return (
      streamed.get(nameKey(name)) ?? this.#identities.find(this.writer, eventIdentity(provider, name.source, name.id))
    );
  }

  /**
   * Rolls up everything that is stored now; what arrives meanwhile may wait.
   * @throws Fault unavailable when the roll-up is too far behind
   */
  async catchUp(): Promise<void> {
    const mark = await this.#rollUps.given(this.writer);
    for (let turn = 0; turn < CATCH_UPS; turn += 1) {
      if ((await this.#log.cursor(this.writer)) >= mark) return;
      await this.rollUp.run({ through: 'now' });
    }
    if ((await this.#log.cursor(this.writer)) < mark) throw behind();
  }
}

const behind = (): Fault =>
  new Fault('unavailable', 'Usage is being rolled up. Try again shortly.', {
    reason: 'roll_up_behind',
    retryAfterSeconds: 2,
  });

/** The receipts under which names are stored, by {@link nameKey}. */
export async function findStored(
  on: Querying,
  identities: IdentityStore,
  provider: string,
  names: readonly EventName[],
): Promise<Map<string, Receipt>> {
  const found = new Map<string, Receipt>();
  const ids = Buffer.concat(names.map((name) => eventIdentity(provider, name.source, name.id)));
  for (const [place, receipt] of await identities.findAll(on, ids)) {
    const name = names[place];
    if (name) found.set(nameKey(name), receipt);
  }
  for (const [key, receipt] of await findStreamed(on, provider, names)) found.set(key, receipt);
  return found;
}

/** Ids of the stream door name their place themselves. */
async function findStreamed(
  on: Querying,
  provider: string,
  names: readonly EventName[],
): Promise<Map<string, Receipt>> {
  const found = new Map<string, Receipt>();
  const batches = new Map<string, { name: EventName; ordinal: number }[]>();
  for (const name of names) {
    const [, stream, seq, ordinal] = STREAM_ID.exec(name.id) ?? [];
    if (stream === undefined || seq === undefined) continue;
    const key = `${stream}.${seq}`;
    batches.set(key, [...(batches.get(key) ?? []), { name, ordinal: Number(ordinal) }]);
  }
  // A few bodies at a time: each may have a MiB.
  for (const chunk of inChunks([...batches.keys()], 32)) {
    const rows = await queryRows<{ key: string; position: string; body: string }>(
      on,
      `SELECT k.key, l.position::text AS position, l.body FROM unnest($2::text[]) AS k (key)
        JOIN usage_log l ON l.stream = split_part(k.key, '.', 1)::uuid AND l.seq = split_part(k.key, '.', 2)::bigint AND l.provider_id = $1`,
      [provider, chunk],
    );
    for (const { key, position, body } of rows) {
      const batch = readBody({ body });
      for (const { name, ordinal } of batches.get(key) ?? []) {
        if (batch.source !== name.source || ordinal >= batch.columns.type.length) continue;
        found.set(nameKey(name), { position: BigInt(position), ordinal });
      }
    }
  }
  return found;
}
