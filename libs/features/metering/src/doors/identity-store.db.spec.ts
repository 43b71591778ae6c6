import fc from 'fast-check';
import type { SentEvent } from '@core/metering';
import { addMs, formatInstant, instant } from '@core/time';
import { Database, Writer } from '@platform/database';
import { SystemIds } from '@platform/system';
import {
  type SeededProvider,
  type TestDatabase,
  createTestDatabase,
  seedProvider,
} from '../../../../../test/support/database.js';
import { LogReader } from '../log/log.reader.js';
import { CreateMeter, type EventVerdict, IngestUsage, MaintainUsage } from '../index.js';
import { IdentityStore, eventIdentity, identityRecord } from './identity.store.js';

// Two processes take identities in any order, at once, in transactions that are rolled back, while identities are folded and
// processes start anew. Whatever happens, the verdicts are those of one plain map.

const now = instant(Date.UTC(2026, 10, 21, 12));
const HISTORIES = Number(process.env['IDENTITY_HISTORIES'] ?? 12);
const IDS = 40;

let db: TestDatabase;
let database: Database;
let folder: Writer;

beforeAll(async () => {
  db = await createTestDatabase();
  database = new Database(db.appUrl, 2);
  folder = new Writer(db.writerUrl, 2);
});
afterAll(async () => {
  await Promise.all([database.close(), folder.close()]);
  await db.drop();
});

const process_ = fc.constantFrom(0 as const, 1 as const);
const id = fc.nat({ max: IDS - 1 });
/** What an event says: its value. */
const content = fc.constantFrom('1', '2');
const sent = fc.array(fc.record({ id, content }), { minLength: 1, maxLength: 12 });
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('send' as const), at: process_, events: sent }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('race' as const), lists: fc.tuple(sent, sent, sent) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('claim' as const), at: process_, events: sent, commits: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('fold' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), at: process_ }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('find' as const), at: process_, id }) },
);
type Step = typeof step extends fc.Arbitrary<infer Each> ? Each : never;
type Sent = readonly { readonly id: number; readonly content: string }[];

class History {
  readonly #first = new Map<number, string>();
  #writers = [new Writer(db.writerUrl, 4), new Writer(db.writerUrl, 4)] as [Writer, Writer];
  #doors = this.#writers.map((writer) => new IngestUsage(writer)) as [IngestUsage, IngestUsage];
  #positions = 0n;
  #claimed = new Set<number>();

  constructor(private readonly seeded: SeededProvider & { readonly number: number }) {}

  async play(step: Step): Promise<void> {
    switch (step.do) {
      case 'send':
        return expect(await this.#send(step.at, step.events)).toEqual(this.#expected(step.events));
      case 'race':
        return this.#race(step.lists);
      case 'claim':
        return this.#claim(step.at, step.events, step.commits);
      case 'fold':
        await new MaintainUsage(folder, 1).run();
        return;
      case 'restart':
        await this.#writers[step.at].close();
        this.#writers[step.at] = new Writer(db.writerUrl, 4);
        this.#doors[step.at] = new IngestUsage(this.#writers[step.at]);
        return;
      case 'find':
        return this.#find(step.at, step.id);
    }
  }

  /** Verdicts by the map. */
  #expected(events: Sent): EventVerdict['verdict'][] {
    return events.map(({ id, content }) => {
      const first = this.#first.get(id);
      if (first === undefined) {
        this.#first.set(id, content);
        return 'accepted';
      }
      return first === content ? 'duplicate' : 'conflict';
    });
  }

  async #send(at: 0 | 1, events: Sent): Promise<EventVerdict['verdict'][]> {
    const { provider } = this.seeded;
    const answer = await this.#doors[at].run({ provider, events: events.map(eventOf), now });
    return answer.verdicts.map(({ verdict }) => verdict);
  }

  /** Both processes at once: of new identities somebody is the first, and all others agree with that one. */
  async #race(lists: readonly [Sent, Sent, Sent]): Promise<void> {
    const answers = await Promise.all(lists.map((events, i) => this.#send(i === 1 ? 1 : 0, events)));
    const all = lists.flatMap((events, i) =>
      events.map((event, place) => ({ ...event, verdict: answers[i]?.[place] ?? 'rejected' })),
    );
    for (const { id, content } of all.filter(({ verdict }) => verdict === 'accepted')) {
      expect(this.#first.has(id)).toBe(false);
      this.#first.set(id, content);
    }
    for (const { id, content, verdict } of all) {
      if (verdict !== 'accepted') expect(verdict).toBe(this.#first.get(id) === content ? 'duplicate' : 'conflict');
    }
  }

  async #claim(at: 0 | 1, events: Sent, commits: boolean): Promise<void> {
    const writer = this.#writers[at];
    const before = new Map(this.#first);
    const expected = this.#expected(events);
    const records = events.map(({ id, content }, ordinal) => {
      const { source, type, subject, ...rest } = eventOf({ id, content });
      const logged = { source, type, subject, id: rest.id, time: addMs(now, 0), timeStated: true, value: content };
      return identityRecord(this.seeded.provider, logged, this.seeded.number, ordinal);
    });
    const position = (this.#positions -= 1n) + 2n ** 40n;
    const run = writer.transaction(async (tx) => {
      const store = new IdentityStore(writer);
      await store.lock(tx);
      const taken = await store.claim(tx, position, records);
      const said = events.map((_, i) => {
        const found = taken.get(i);
        return found ? (found.same === true ? 'duplicate' : 'conflict') : 'accepted';
      });
      expect(said).toEqual(expected);
      if (!commits) throw new Error('rolled back');
    });
    if (commits) {
      await run;
      events.forEach(({ id }, i) => expected[i] === 'accepted' && this.#claimed.add(id));
    } else {
      await expect(run).rejects.toThrow('rolled back');
      this.#first.clear();
      for (const [id, content] of before) this.#first.set(id, content);
    }
  }

  /** What is found is the event that was the first. */
  async #find(at: 0 | 1, id: number): Promise<void> {
    const writer = this.#writers[at];
    const receipt = await new IdentityStore(writer).find(
      writer,
      eventIdentity(this.seeded.provider, '/test', `e${id}`),
    );
    expect(receipt !== undefined).toBe(this.#first.has(id));
    if (!receipt || this.#claimed.has(id)) return;
    const stored = await new LogReader().event(writer, receipt);
    expect([stored?.event.id, stored?.event.value, stored?.skipped]).toEqual([`e${id}`, this.#first.get(id), false]);
  }

  /** Everything is found and stored as the map has it. */
  async check(): Promise<void> {
    for (let each = 0; each < IDS; each += 1) await this.#find((each % 2) as 0 | 1, each);
    const [log] = await this.#writers[0].query<{ counting: string }>(
      'SELECT coalesce(sum(events - coalesce(cardinality(skip), 0)), 0)::text AS counting FROM usage_log WHERE provider_id = $1',
      [this.seeded.provider],
    );
    expect(Number(log?.counting)).toBe(this.#first.size - this.#claimed.size);
  }

  async close(): Promise<void> {
    await Promise.all(this.#writers.map((writer) => writer.close()));
  }
}

const eventOf = ({ id, content }: Sent[number]): SentEvent => ({
  source: '/test',
  id: `e${id}`,
  type: 'compute.seconds',
  subject: 'agent-1',
  time: formatInstant(now),
  data: { value: content },
});

describe('identities, against a plain map', () => {
  it(
    `have its verdicts in ${HISTORIES} histories of two processes`,
    async () => {
      const property = fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
        const seeded = await seedProvider(db);
        const meters = new CreateMeter(database, new SystemIds(), { now: () => now });
        await meters.run({ provider: seeded.provider, name: 'compute.seconds', aggregation: 'sum', unit: 'second' });
        const [account] = await folder.query<{ number: number }>('SELECT number FROM accounts WHERE id = $1', [
          seeded.account,
        ]);
        const history = new History({ ...seeded, number: account?.number ?? 0 });
        try {
          for (const each of steps) await history.play(each);
          await history.check();
        } finally {
          await history.close();
        }
      });
      await fc.assert(property, { endOnFailure: true, numRuns: HISTORIES });
    },
    60_000 + HISTORIES * 10_000,
  );
});
