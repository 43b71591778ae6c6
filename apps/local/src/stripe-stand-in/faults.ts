import type { Chance } from './chance.js';

/**
 * What can go wrong with an API call. `before`: nothing was done. `after`: it was done, and the caller is not told.
 * `error_stored` is the worst of them: it was done, and every replay of the key answers 500 as well, so that only looking
 * the object up tells. `hold`: the socket stays open without a word; `close`: it is closed. `slow`: answered late, the key
 * in use meanwhile.
 */
export const FAULT_KINDS = [
  ...([
    'error_before',
    'error_after',
    'error_stored',
    'hold_before',
    'hold_after',
    'close_before',
    'close_after',
  ] as const),
  ...(['rate_limit', 'conflict', 'slow'] as const),
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface FaultRule {
  /** `POST /v1/payment_intents/*`: method (or *) and path, where * stands for anything. Absent: every call. */
  readonly path?: string;
  /** Share of the matching calls that fail, by chance, each in one of `kinds`. */
  readonly share?: number;
  readonly kinds?: readonly FaultKind[];
  /** Instead of a share: what happens to the next matching calls, one after the other; then nothing more. */
  readonly script?: readonly (FaultKind | 'none')[];
  /** Real milliseconds: how long a `hold` lasts if the caller does not give up first (90 s), how late `slow` answers (1 s). */
  readonly holdMs?: number;
}

export interface Fault {
  readonly kind: FaultKind;
  readonly holdMs: number;
}

/** The faults of the API of the LOCAL STAND-IN. Seeded: the same calls in the same order meet the same faults. */
export class Faults {
  private readonly rules: { readonly rule: FaultRule; readonly pattern: RegExp; place: number }[] = [];
  private readonly happened = new Map<FaultKind, number>();

  constructor(private readonly chance: Chance) {}

  add(rule: FaultRule): void {
    this.rules.push({ rule, pattern: patternOf(rule.path ?? '*'), place: 0 });
  }

  clear(): void {
    this.rules.length = 0;
  }

  /** How often each kind has happened. */
  get counts(): Partial<Record<FaultKind, number>> {
    return Object.fromEntries(this.happened);
  }

  next(method: string, path: string): Fault | undefined {
    for (const entry of this.rules) {
      if (!entry.pattern.test(`${method} ${path}`)) continue;
      const kind = this.decide(entry);
      if (kind === undefined) continue;
      this.happened.set(kind, (this.happened.get(kind) ?? 0) + 1);
      return { kind, holdMs: entry.rule.holdMs ?? (kind === 'slow' ? 1000 : 90_000) };
    }
    return undefined;
  }

  private decide(entry: { readonly rule: FaultRule; place: number }): FaultKind | undefined {
    const { script, share = 0, kinds = FAULT_KINDS } = entry.rule;
    if (script === undefined) return this.chance.happens(share) ? this.chance.pick(kinds) : undefined;
    const kind = script[entry.place];
    entry.place += 1;
    return kind === 'none' ? undefined : kind;
  }
}

function patternOf(path: string): RegExp {
  const escaped = path.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(`^${escaped}$`);
}
