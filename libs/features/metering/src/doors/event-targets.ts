import { ACCEPTED_AGE_MS, FUTURE_TOLERANCE_MS, type KnownNames, type Meter } from '@core/metering';
import type { Instant } from '@core/time';
import type { Writer } from '@platform/database';
import { MeterReader, type StoredMeter } from '../meters/meter.reader.js';
import { ShortMemory } from './short-memory.js';

interface AccountTarget {
  /** `acct_…` */
  readonly id: string;
  readonly number: number;
}

interface MeterTarget {
  readonly number: number;
  /** In order of `effectiveAt`. */
  readonly versions: readonly Meter[];
}

/** What the names in a provider's events stand for. */
export interface EventTargets {
  /** The meters that hear a type; none when it is unknown. */
  meters(type: string): readonly MeterTarget[];
  account(subject: string): AccountTarget | undefined;
}

/** {@link EventTargets} of a batch's dictionaries, by index. */
interface BatchTargets extends KnownNames {
  /** 0 when unknown. */
  readonly accounts: readonly number[];
}

// PostgreSQL refuses NUL and lone surrogates; no name has them.
const NAME = /^[^\p{Cc}\p{Cs}]{1,256}$/u;

/** Looks up meters by event type and accounts by id, by the provider's own name, or by wallet address; remembers them briefly. */
export class TargetLookup {
  readonly #reader = new MeterReader();
  readonly #meters = new ShortMemory<readonly MeterTarget[]>();
  readonly #accounts = new ShortMemory<AccountTarget>();

  constructor(private readonly writer: Writer) {}

  async find(
    provider: string,
    types: Iterable<string>,
    subjects: Iterable<string>,
    now: Instant,
  ): Promise<EventTargets> {
    const [typeList, subjectList] = [[...types], [...subjects]];
    const { meters, accounts } = await this.#all(provider, typeList, subjectList, now);
    const byType = new Map(typeList.map((type, i) => [type, meters[i]]));
    const bySubject = new Map(subjectList.map((subject, i) => [subject, accounts[i]]));
    return { meters: (type) => byType.get(type) ?? [], account: (subject) => bySubject.get(subject) };
  }

  /** What the dictionaries of a batch stand for. */
  async known(
    provider: string,
    { types, accounts: subjects }: { readonly types: readonly string[]; readonly accounts: readonly string[] },
    now: Instant,
  ): Promise<BatchTargets> {
    const { meters, accounts } = await this.#all(provider, types, subjects, now);
    return {
      meters: meters.map((heard) => (heard ?? []).flatMap((meter) => deciding(meter, now))),
      accounts: accounts.map((account) => account?.number ?? 0),
    };
  }

  async #all(provider: string, types: readonly string[], subjects: readonly string[], now: Instant) {
    const meters = types.map((type) => this.#meters.get(provider, type, now));
    const accounts = subjects.map((subject) => this.#accounts.get(provider, subject, now));
    await Promise.all([
      fill(meters, types, async (names) => {
        const found = heardBy(await this.#reader.listening(this.writer, provider, names));
        for (const [name, value] of found) this.#meters.set(provider, name, value, now);
        return found;
      }),
      fill(accounts, subjects, async (names) => {
        const found = await accountsNamed(this.writer, provider, names);
        for (const [name, value] of found) this.#accounts.set(provider, name, value, now);
        return found;
      }),
    ]);
    return { meters, accounts };
  }
}

/** Looks up what is missing of a list, by the names in the same places. */
async function fill<Value>(
  list: (Value | undefined)[],
  names: readonly string[],
  load: (names: readonly string[]) => Promise<ReadonlyMap<string, Value>>,
): Promise<void> {
  const missing = new Set(names.filter((name, i) => list[i] === undefined && NAME.test(name)));
  if (missing.size === 0) return;
  const found = await load([...missing]);
  names.forEach((name, i) => (list[i] ??= found.get(name)));
}

/** By event type, the meters that hear it. */
function heardBy(meters: readonly StoredMeter[]): Map<string, readonly MeterTarget[]> {
  const heard = new Map<string, MeterTarget[]>();
  for (const { eventType, number, versions } of meters) {
    heard.set(eventType, [...(heard.get(eventType) ?? []), { number, versions }]);
  }
  return heard;
}

/** The versions that may decide about an event received now. */
function deciding({ versions }: MeterTarget, now: Instant): readonly Meter[] {
  if (versions.length === 1) return versions;
  const [first, last] = [now - ACCEPTED_AGE_MS, now + FUTURE_TOLERANCE_MS];
  return versions.filter(
    ({ effectiveAt }, i) => (i === 0 || effectiveAt <= last) && (versions[i + 1]?.effectiveAt ?? Infinity) > first,
  );
}

/** An account's id goes before a name, and a name before a wallet address. */
async function accountsNamed(
  writer: Writer,
  provider: string,
  subjects: readonly string[],
): Promise<Map<string, AccountTarget>> {
  const rows = await writer.query<{ subject: string; id: string; number: number }>(
    `SELECT s.subject, a.id, a.number
    FROM unnest($2::text[]) AS s (subject)
      LEFT JOIN accounts by_id ON by_id.id = s.subject AND by_id.provider_id = $1
      LEFT JOIN accounts by_name ON by_name.provider_id = $1 AND by_name.name = s.subject
      LEFT JOIN identities by_wallet ON by_wallet.provider_id = $1 AND by_wallet.kind = 'wallet' AND by_wallet.subject = lower(s.subject)
      JOIN accounts a ON a.id = coalesce(by_id.id, by_name.id, by_wallet.account_id)`,
    [provider, subjects],
  );
  return new Map(rows.map(({ subject, id, number }) => [subject, { id, number }]));
}
