import type { GrantKind, LimitWindow } from '@core/wallet';
import type { Dice } from './dice.js';

/** What happens to one wallet, in words that every teller understands. Grants, holds and limits are named by their number. */
export type WalletStep =
  | {
      readonly kind: 'grant';
      readonly of: GrantKind;
      readonly amount: number;
      readonly cost: number;
      readonly priority: number;
      readonly startsIn: number;
      /** Milliseconds from now; absent: never. */
      readonly endsIn?: number;
      readonly scope?: readonly string[];
    }
  | {
      readonly kind: 'take';
      readonly amount: number;
      readonly meter: string;
      readonly key: string;
      readonly ttlSeconds: number;
    }
  /** The same request again, or another one with its key. */
  | { readonly kind: 'again'; readonly hold: number; readonly same: boolean }
  | { readonly kind: 'capture'; readonly hold: number; readonly amount: number }
  | {
      readonly kind: 'extend';
      readonly hold: number;
      readonly used: number;
      readonly amount: number;
      readonly ttlSeconds?: number;
    }
  | { readonly kind: 'release'; readonly hold: number }
  | { readonly kind: 'reverse'; readonly hold: number; readonly total: number }
  | { readonly kind: 'void'; readonly grant: number }
  | { readonly kind: 'refund'; readonly grant: number; readonly amount?: number }
  | { readonly kind: 'limit'; readonly limit: number; readonly amount: number; readonly hard: boolean }
  | { readonly kind: 'sweep' };

export interface TimedStep {
  /** Milliseconds since the step before. */
  readonly after: number;
  readonly step: WalletStep;
}

export interface WalletStory {
  readonly creditLimit: number;
  readonly limits: readonly StoryLimit[];
  readonly steps: readonly TimedStep[];
}

export interface StoryLimit {
  readonly window: LimitWindow;
  readonly meter?: string;
  readonly key?: string;
  readonly amount: number;
  readonly hard: boolean;
}

export const METERS = ['calls', 'seconds'] as const;
const KEYS = ['key_a', 'key_b'] as const;

const LIMITS: readonly Omit<StoryLimit, 'amount' | 'hard'>[] = [
  { window: 'hour' },
  { window: 'day', key: 'key_a' },
  { window: 'month', meter: 'seconds' },
  { window: 'lifetime' },
];

export function randomStory(dice: Dice, length: number): WalletStory {
  const tight = dice.chance(0.5);
  return {
    creditLimit: dice.of([0, 0, 25]),
    limits: LIMITS.map((limit) => ({
      ...limit,
      amount: tight ? dice.between(10, 200) : 100_000,
      hard: dice.chance(0.8),
    })),
    steps: Array.from({ length }, () => ({
      after: dice.chance(0.8) ? dice.between(1, 2_000) : dice.between(1, 3_600_000),
      step: randomStep(dice),
    })),
  };
}

function randomStep(dice: Dice): WalletStep {
  const nth = dice.below(1_000);
  const roll = dice.below(100);
  if (roll < 14) {
    const amount = dice.between(1, 60);
    const of = dice.of(['paid', 'paid', 'promotional', 'goodwill'] as const);
    const startsIn = dice.chance(0.15) ? dice.between(1, 20_000) : 0;
    return {
      kind: 'grant',
      of,
      amount,
      cost: of === 'paid' ? dice.between(0, amount) : 0,
      priority: dice.below(3),
      startsIn,
      ...dice.maybe(0.5, () => ({ endsIn: startsIn + dice.between(1, 200_000) })),
      ...dice.maybe(0.4, () => ({ scope: [dice.of(METERS)] })),
    };
  }
  if (roll < 40) {
    const ttlSeconds = dice.between(1, 120);
    return { kind: 'take', amount: dice.below(40), meter: dice.of(METERS), key: dice.of(KEYS), ttlSeconds };
  }
  if (roll < 44) return { kind: 'again', hold: nth, same: dice.chance(0.7) };
  if (roll < 62) return { kind: 'capture', hold: nth, amount: dice.below(45) };
  if (roll < 71) {
    const used = dice.below(30);
    return {
      kind: 'extend',
      hold: nth,
      used,
      amount: used + dice.below(30),
      ...dice.maybe(0.5, () => ({ ttlSeconds: dice.between(1, 120) })),
    };
  }
  if (roll < 77) return { kind: 'release', hold: nth };
  if (roll < 82) return { kind: 'reverse', hold: nth, total: dice.below(40) };
  if (roll < 85) return { kind: 'void', grant: nth };
  if (roll < 89) return { kind: 'refund', grant: nth, ...dice.maybe(0.7, () => ({ amount: dice.below(30) })) };
  if (roll < 93)
    return { kind: 'limit', limit: dice.below(LIMITS.length), amount: dice.between(0, 400), hard: dice.chance(0.8) };
  return { kind: 'sweep' };
}

/** What can be seen of a wallet: the same for every teller. Amounts as decimal strings. */
export interface WalletSeen {
  readonly posted: string;
  readonly held: string;
  readonly available: readonly string[];
  /** remaining, held, consumed, expired, voided, refunded */
  readonly grants: readonly (readonly string[])[];
  /** state, amount, used, captured, reversed */
  readonly holds: readonly (readonly string[])[];
  /** spent and held in the window under way */
  readonly limits: readonly (readonly string[])[];
}
