import { type Dice, amount, fraction, plain, positive } from './dice.js';
import { randomInstant } from './random-instant.js';
import {
  type Aggregation,
  type Case,
  type MeterStory,
  type Model,
  type Modifiers,
  NOVEMBER,
  OCTOBER,
  type Offer,
  type Tier,
} from './story.js';

const ADDITIVE: readonly Aggregation[] = ['count', 'sum', 'duration', 'level'];

function randomTiers(dice: Dice, flatOnly: boolean): Tier[] {
  const count = dice.between(1, 4);
  let upTo = 0;
  return Array.from({ length: count }, (_, i) => {
    upTo += dice.between(1, 60);
    const price = flatOnly
      ? { flat: amount(dice, 200) }
      : dice.of<() => Tier>([
          () => ({ rate: amount(dice, 9) }),
          () => ({ flat: amount(dice) }),
          () => ({ rate: amount(dice, 9), flat: amount(dice) }),
        ])();
    const bound = dice.chance(0.8) ? String(upTo) : plain(upTo * 10 + 5, 1);
    return i === count - 1 ? price : { upTo: bound, ...price };
  });
}

function randomModel(dice: Dice, meter: MeterStory): Model {
  const grouped = meter.groupBy.length > 0;
  const model = dice.of<Model['model']>([
    ...(['flat', 'per_unit', 'per_unit', 'package', 'graduated', 'graduated', 'volume', 'stair_step'] as const),
    ...(['percentage', 'dynamic'] as const),
    ...(meter.itemized ? (['percentage', 'percentage'] as const) : []),
    ...(grouped ? (['matrix', 'matrix', 'graduated'] as const) : []),
    ...(ADDITIVE.includes(meter.aggregation) && dice.chance(0.3) ? (['time_of_day'] as const) : []),
  ]);
  switch (model) {
    case 'flat':
      return { model, definition: { amount: amount(dice, 100) } };
    case 'per_unit':
      return { model, definition: { rate: amount(dice, 9), ...dice.maybe(0.5, () => ({ allowance: amount(dice) })) } };
    case 'package':
      return {
        model,
        definition: {
          size: positive(dice, 20),
          amount: amount(dice),
          ...dice.maybe(0.5, () => ({ free: amount(dice) })),
        },
      };
    case 'graduated':
    case 'volume':
    case 'stair_step': {
      const tiers = randomTiers(dice, model === 'stair_step');
      return grouped && dice.chance(0.5)
        ? { model, definition: { tiers, per: 'group', groupBy: ['region'] } }
        : { model, definition: { tiers } };
    }
    case 'percentage': {
      const base = { rate: fraction(dice), ...dice.maybe(0.4, () => ({ freeBase: amount(dice) })) };
      if (!meter.itemized) return { model, definition: base };
      const lower = dice.below(20);
      const definition = {
        ...base,
        ...dice.maybe(0.4, () => ({ fee: amount(dice, 3) })),
        ...dice.maybe(0.4, () => ({ freeEvents: String(dice.below(3)) })),
        ...dice.maybe(0.4, () => ({ minPerEvent: plain(lower, 1) })),
        ...dice.maybe(0.4, () => ({ maxPerEvent: plain(lower + dice.below(100), 1) })),
      };
      return { model, definition };
    }
    case 'dynamic':
      return { model, definition: dice.maybe(0.5, () => ({ multiplier: amount(dice, 3) })) };
    case 'matrix': {
      const rates = (['eu', 'us'] as const)
        .filter(() => dice.chance(0.8))
        .map((region) => ({ match: { region }, rate: amount(dice, 9) }));
      return {
        model,
        definition: {
          dimensions: ['region'],
          rates: rates.length > 0 ? rates : [{ match: { region: 'eu' }, rate: '2' }],
          ...dice.maybe(0.9, () => ({ default: amount(dice, 9) })),
        },
      };
    }
    case 'time_of_day': {
      const zone = dice.of(['UTC', 'Europe/Berlin', 'America/Los_Angeles', 'Asia/Kolkata']);
      const days = (): { days?: number[] } =>
        dice.maybe(0.4, () => ({ days: dice.of([[1, 2, 3, 4, 5], [6, 7], [7]]) }));
      const buckets = [
        {
          name: 'day',
          from: dice.of(['06:00', '08:30']),
          to: dice.of(['17:15', '20:00']),
          ...days(),
          rate: amount(dice, 9),
        },
        ...(dice.chance(0.5)
          ? [{ name: 'night', from: '22:00', to: dice.of(['24:00', '04:45']), ...days(), rate: amount(dice, 9) }]
          : []),
      ];
      return { model, definition: { zone, buckets, default: amount(dice, 9) } };
    }
  }
}

const needsQuantityAlone = (given: Model): boolean => {
  if (given.model === 'flat' || given.model === 'dynamic' || given.model === 'matrix' || given.model === 'time_of_day')
    return false;
  if (given.model === 'percentage') {
    const { fee, freeEvents, minPerEvent, maxPerEvent } = given.definition;
    return [fee, freeEvents, minPerEvent, maxPerEvent].every((bound) => bound === undefined);
  }
  return !('per' in given.definition);
};

function randomModifiers(dice: Dice, given: Model, mayContinue: boolean): Modifiers {
  const lower = dice.below(150);
  const carry = dice.chance(0.15);
  const bounds = dice.of<() => Modifiers>([
    () => ({}),
    () => ({}),
    () => ({ minimum: plain(lower, 0) }),
    () => ({ maximum: plain(lower, 0) }),
    () => ({ minimum: plain(lower, 1), maximum: plain(lower * 10 + dice.below(500), 1) }),
    () => ({
      commitment: {
        amount: positive(dice, 150),
        ...dice.maybe(0.6, () => ({ overageFactor: dice.of(['0', '0.5', '1.25', '1.5', '2']) })),
        ...dice.maybe(0.5, () => ({ trueUp: true })),
      },
    }),
  ])();
  const what = ['flat', 'minimum', 'maximum', 'commitment', 'allowances'].filter(() => dice.chance(0.6));
  return {
    ...bounds,
    ...dice.maybe(needsQuantityAlone(given) ? 0.2 : 0, () => ({ usageDiscount: amount(dice, 30) })),
    ...dice.maybe(0.25, () => ({ discount: fraction(dice) })),
    ...(what.length > 0 && dice.chance(0.35)
      ? { proration: { by: dice.of(['second', 'day'] as const), of: what } }
      : {}),
    ...dice.maybe(mayContinue ? 0.6 : 0, () => ({ versionChange: 'continue' as const })),
    ...(carry
      ? { fraction: 'carry' as const }
      : dice.maybe(0.4, () => ({ rounding: dice.of(['half-even', 'up'] as const) }))),
    ...dice.maybe(0.15, () => ({ billing: 'at_end' as const })),
  };
}

/** The same structure with other figures: what may continue where the first left off. */
function continued(dice: Dice, meter: MeterStory, before: Offer): Model {
  if (needsQuantityAlone(before)) {
    for (;;) {
      const model = randomModel(dice, meter);
      if (needsQuantityAlone(model) || model.model === 'flat') return model;
    }
  }
  switch (before.model) {
    case 'matrix':
      return { model: 'matrix', definition: { ...before.definition, default: amount(dice, 9) } };
    case 'dynamic':
      return { model: 'dynamic', definition: { multiplier: amount(dice, 3) } };
    case 'percentage':
      return { model: 'percentage', definition: { ...before.definition, rate: fraction(dice) } };
    case 'time_of_day':
      return { model: 'time_of_day', definition: { ...before.definition, default: amount(dice, 9) } };
    case 'graduated':
    case 'volume':
    case 'stair_step':
      return { model: 'graduated', definition: { ...before.definition, tiers: randomTiers(dice, false) } };
    case 'flat':
    case 'per_unit':
    case 'package':
      return { model: 'flat', definition: { amount: amount(dice, 100) } };
  }
}

export function randomOffers(dice: Dice, meter: MeterStory, stages: Case['stages']): Offer[] {
  const offers: Offer[] = [];
  const count = dice.of([1, 1, 2, 2, 3]);
  // A price that continues does so where the one before it was told what it asks of usage; mostly they are of a kind.
  const additive = ADDITIVE.includes(meter.aggregation);
  const alike = additive && dice.chance(0.5);
  for (let i = 0; i < count; i += 1) {
    const [first] = offers;
    const stage = i === 0 ? 0 : dice.of([0, 0, 1, 2]);
    // A price that is made later begins in a period that is still open, and never before what is there.
    const earliest = stage === 0 ? OCTOBER.start : stage === 1 ? (stages[0] ?? 0) : NOVEMBER.start;
    const from =
      i === 0 && dice.chance(0.6)
        ? OCTOBER.start
        : Math.max(
            earliest,
            randomInstant(
              dice,
              offers.map((offer) => offer.from),
            ),
          );
    if (offers.some((offer) => offer.from === from) || from >= NOVEMBER.end) continue;
    const source = dice.of(['default', 'default', 'default', 'plan', 'override'] as const);
    const model = first && alike ? continued(dice, meter, first) : randomModel(dice, meter);
    offers.push({
      ...model,
      source,
      from,
      ...dice.maybe(source !== 'default' ? 0.4 : 0, () => ({ until: from + 1 + dice.below(NOVEMBER.end - from) })),
      stage,
      modifiers: randomModifiers(dice, model, first !== undefined && additive),
      asset: dice.chance(0.9) ? 0 : 1,
    });
  }
  return offers;
}
