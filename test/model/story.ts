// What a case consists of, as plain data: it is told to the product and to the model alike.

export type Aggregation = 'count' | 'sum' | 'unique' | 'max' | 'min' | 'average' | 'latest' | 'duration' | 'level';

export interface Happening {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly value?: string;
  readonly level?: string;
  readonly delta?: string;
  readonly action?: 'start' | 'stop' | 'resize' | 'heartbeat';
  readonly weight?: string;
  readonly cost?: string;
  readonly resource?: string;
  readonly region?: string;
  readonly user?: string;
}

/** An event, when it arrives, and what is corrected later: another version of it, or none. */
export interface Story {
  readonly stage: number;
  readonly event: Happening;
  readonly fixes: readonly { readonly stage: number; readonly event?: Happening }[];
}

export interface MeterStory {
  readonly aggregation: Aggregation;
  /** Only events of these regions count, from an instant on; the first from the beginning. */
  readonly versions: readonly { readonly from: number; readonly regions?: readonly string[] }[];
  readonly groupBy: readonly ('region' | 'user')[];
  readonly itemized: boolean;
  readonly divideBy?: string;
  readonly rounding?: { readonly mode: 'up' | 'down' | 'nearest'; readonly places: number };
  readonly carryOver?: boolean;
  readonly minimumSeconds?: string;
  readonly incrementSeconds?: string;
  readonly heartbeatSeconds?: string;
}

export interface Tier {
  readonly upTo?: string;
  readonly rate?: string;
  readonly flat?: string;
}

export interface Bucket {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly days?: readonly number[];
  readonly rate: string;
}

export type Model =
  | { readonly model: 'flat'; readonly definition: { readonly amount: string } }
  | { readonly model: 'per_unit'; readonly definition: { readonly rate: string; readonly allowance?: string } }
  | {
      readonly model: 'package';
      readonly definition: { readonly size: string; readonly amount: string; readonly free?: string };
    }
  | {
      readonly model: 'graduated' | 'volume' | 'stair_step';
      readonly definition: {
        readonly tiers: readonly Tier[];
        readonly per?: 'group';
        readonly groupBy?: readonly string[];
      };
    }
  | {
      readonly model: 'percentage';
      readonly definition: {
        readonly rate: string;
        readonly fee?: string;
        readonly freeBase?: string;
        readonly freeEvents?: string;
        readonly minPerEvent?: string;
        readonly maxPerEvent?: string;
      };
    }
  | { readonly model: 'dynamic'; readonly definition: { readonly multiplier?: string } }
  | {
      readonly model: 'matrix';
      readonly definition: {
        readonly dimensions: readonly string[];
        readonly rates: readonly { readonly match: Readonly<Record<string, string>>; readonly rate: string }[];
        readonly default?: string;
      };
    }
  | {
      readonly model: 'time_of_day';
      readonly definition: { readonly zone: string; readonly buckets: readonly Bucket[]; readonly default: string };
    };

export interface Modifiers {
  readonly usageDiscount?: string;
  readonly discount?: string;
  readonly maximum?: string;
  readonly minimum?: string;
  readonly commitment?: { readonly amount: string; readonly overageFactor?: string; readonly trueUp?: boolean };
  readonly proration?: { readonly by: 'second' | 'day'; readonly of: readonly string[] };
  readonly versionChange?: 'restart' | 'continue';
  readonly rounding?: 'half-up' | 'half-even' | 'up';
  readonly fraction?: 'line' | 'carry';
  readonly billing?: 'continuous' | 'at_end';
}

/** A price of the meter, and where the account has it from. */
export type Offer = Model & {
  readonly source: 'default' | 'plan' | 'override';
  readonly from: number;
  readonly until?: number;
  /** From which stage on the price is there. */
  readonly stage: number;
  readonly modifiers: Modifiers;
  readonly asset: 0 | 1;
};

/** A call that is paid for by itself, and when its payment is proven to have failed. */
interface PaidCall {
  readonly stage: number;
  readonly offer: number;
  readonly quantity: string;
  readonly fails?: number;
}

export interface Case {
  readonly meter: MeterStory;
  readonly stories: readonly Story[];
  readonly offers: readonly Offer[];
  readonly paid: readonly PaidCall[];
  /** Decimal places of the two assets. */
  readonly places: readonly [number, number];
  /** When usage is rated: in October, after its end and before it is closed, in November, after its end. */
  readonly stages: readonly [number, number, number, number];
}

export const OCTOBER = { start: Date.UTC(2026, 9, 1), end: Date.UTC(2026, 10, 1) };
export const NOVEMBER = { start: Date.UTC(2026, 10, 1), end: Date.UTC(2026, 11, 1) };
export const QUARTER = 900_000;
export const DAY = 86_400_000;
/** October is closed once this stage has been rated. */
export const CLOSING_STAGE = 1;
export const STAGES = [0, 1, 2, 3] as const;

/** The events that count at a stage in their last version, each with the order in which it was first received. */
export const eventsAt = ({ stories }: Case, stage: number): { readonly event: Happening; readonly order: number }[] =>
  stories.flatMap((story, order) => {
    if (story.stage > stage) return [];
    const fix = story.fixes.filter((each) => each.stage <= stage).at(-1);
    if (!fix) return [{ event: story.event, order }];
    return fix.event ? [{ event: fix.event, order }] : [];
  });
