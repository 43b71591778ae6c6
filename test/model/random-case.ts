import { Dice, amount, positive } from './dice.js';
import { randomInstant } from './random-instant.js';
import { randomOffers } from './random-prices.js';
import {
  type Aggregation,
  type Case,
  DAY,
  type Happening,
  type MeterStory,
  NOVEMBER,
  OCTOBER,
  type Story,
} from './story.js';

const GROUPED: readonly Aggregation[] = ['count', 'sum', 'unique', 'max', 'min', 'average', 'latest'];

function randomMeter(dice: Dice): MeterStory {
  const aggregation = dice.of<Aggregation>([
    ...(['count', 'sum', 'sum', 'sum', 'unique', 'max', 'min', 'average', 'latest'] as const),
    ...(['duration', 'duration', 'level', 'level'] as const),
  ]);
  const overTime = aggregation === 'duration' || aggregation === 'level';
  const seconds = (): string => dice.of(['0.5', '1', '60', '3600', '90.125', '86400']);
  return {
    aggregation,
    versions: [
      { from: 0, ...dice.maybe(0.2, () => ({ regions: ['eu'] })) },
      ...(dice.chance(0.2) ? [{ from: randomInstant(dice, []), ...dice.maybe(0.5, () => ({ regions: ['us'] })) }] : []),
    ],
    groupBy: GROUPED.includes(aggregation) && dice.chance(0.4) ? dice.of([['region'], ['region', 'user']]) : [],
    itemized: aggregation === 'sum' && dice.chance(0.5),
    ...dice.maybe(overTime ? 0.7 : 0.15, () => ({ divideBy: overTime ? dice.of(['3600', '86400', '7']) : '3' })),
    ...dice.maybe(0.3, () => ({
      rounding: { mode: dice.of(['up', 'down', 'nearest'] as const), places: dice.between(-1, 3) },
    })),
    ...dice.maybe(aggregation === 'latest' ? 0.5 : 0, () => ({ carryOver: true })),
    ...dice.maybe(aggregation === 'duration' ? 0.4 : 0, () => ({ minimumSeconds: seconds() })),
    ...dice.maybe(aggregation === 'duration' ? 0.4 : 0, () => ({ incrementSeconds: seconds() })),
    ...dice.maybe(aggregation === 'duration' ? 0.3 : 0, () => ({ heartbeatSeconds: seconds() })),
  };
}

function randomEvent(dice: Dice, { aggregation }: MeterStory, marks: readonly number[], now: number): Happening {
  const early = (aggregation === 'level' || aggregation === 'duration' || aggregation === 'latest') && dice.chance(0.1);
  const dimensions = {
    ...dice.maybe(0.8, () => ({ region: dice.of(['eu', 'us']) })),
    ...dice.maybe(0.8, () => ({ user: dice.of(['a', 'b', 'c']) })),
    ...dice.maybe(0.8, () => ({ resource: dice.of(['r1', 'r2']) })),
    ...dice.maybe(0.3, () => ({ cost: amount(dice, 5) })),
    time: early ? OCTOBER.start - dice.below(10 * DAY) : randomInstant(dice, marks, now),
  };
  switch (aggregation) {
    case 'level':
      return dice.chance(0.6)
        ? { ...dimensions, level: amount(dice) }
        : { ...dimensions, delta: `${dice.chance(0.4) ? '-' : ''}${positive(dice, 20)}` };
    case 'duration': {
      const action = dice.of(['start', 'start', 'stop', 'stop', 'resize', 'heartbeat'] as const);
      const weighed = action === 'resize' || (action === 'start' && dice.chance(0.4));
      return { ...dimensions, action, ...(weighed ? { weight: amount(dice, 4) } : {}) };
    }
    case 'count':
    case 'unique':
      return dimensions;
    case 'sum':
    case 'max':
    case 'min':
    case 'average':
    case 'latest':
      return { ...dimensions, value: amount(dice) };
  }
}

function randomStory(
  dice: Dice,
  meter: MeterStory,
  marks: readonly number[],
  stages: Case['stages'],
  before: readonly Story[],
): Story {
  const stage = dice.of([0, 0, 0, 1, 2, 2, 3]);
  const times = [...marks, ...before.map(({ event }) => event.time)];
  const happening = (at: number): Happening => randomEvent(dice, meter, times, stages[at] ?? stages[0]);
  const event = happening(stage);
  const fixes: Story['fixes'][number][] = [];
  for (let at = stage; at <= 3 && fixes.length < 2; at += 1) {
    if (!dice.chance(0.15)) continue;
    fixes.push(
      dice.chance(0.4) ? { stage: at } : { stage: at, event: dice.chance(0.5) ? happening(at) : nudged(dice, event) },
    );
    if (fixes.at(-1)?.event === undefined) break;
  }
  return { stage, event, fixes };
}

/** The same at the same time with another figure. */
const nudged = (dice: Dice, event: Happening): Happening => ({
  ...event,
  ...(event.value === undefined ? {} : { value: amount(dice) }),
  ...(event.level === undefined ? {} : { level: amount(dice) }),
  ...dice.maybe(0.3, () => ({ region: dice.of(['eu', 'us']) })),
});

export function randomCase(seed: number): Case {
  const dice = new Dice(seed);
  const hours = 6 * 3_600_000;
  const stages: Case['stages'] = [
    OCTOBER.start + 9 * DAY + dice.below(18 * DAY),
    OCTOBER.end + dice.below(hours),
    NOVEMBER.start + 4 * DAY + dice.below(23 * DAY),
    NOVEMBER.end + dice.below(hours),
  ];
  const meter = randomMeter(dice);
  const offers = randomOffers(dice, meter, stages);
  const bounds = [...offers.flatMap(({ from, until }) => (until === undefined ? [from] : [from, until]))];
  const marks = [OCTOBER.end, ...bounds, ...meter.versions.map(({ from }) => from).filter((from) => from > 0)];
  const stories: Story[] = [];
  for (let i = dice.of([0, 1, 2, 3, 4, 6, 9]); i > 0; i -= 1)
    stories.push(randomStory(dice, meter, marks, stages, stories));
  const paid = Array.from({ length: dice.chance(0.2) ? 2 : 0 }, () => {
    const stage = dice.below(4);
    return {
      stage,
      offer: dice.below(offers.length),
      quantity: amount(dice),
      ...dice.maybe(0.4, () => ({ fails: dice.between(stage, 3) })),
    };
  });
  return {
    meter,
    stories,
    offers,
    paid,
    places: dice.of([
      [2, 2],
      [6, 2],
      [0, 2],
      [3, 3],
    ]),
    stages,
  };
}
