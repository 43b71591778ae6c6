import { Fault } from '@core/faults';
import type { Decimal } from '@core/money';
import { instant } from '@core/time';
import type { Fraction } from './fractions.js';
import { NoRate } from './naive-prices.js';
import { type NaiveBooks, naiveBooks } from './naive-statement.js';
import { ProductBooks, type StatedAsset } from './product-statement.js';
import { Dice } from './dice.js';
import { CLOSING_STAGE, type Case, OCTOBER, STAGES } from './story.js';

const same = ({ units, scale }: Decimal, [over, under]: Fraction): boolean =>
  units * under === over * 10n ** BigInt(scale);

/** Prorated money has no finite decimal; the product keeps 36 places of it. */
const close = ({ units, scale }: Decimal, exact: Fraction): boolean => {
  const difference = units * exact[1] - exact[0] * 10n ** BigInt(scale);
  const magnitude = difference < 0n ? -difference : difference;
  return magnitude * 10n ** 30n <= exact[1] * 10n ** BigInt(scale);
};

/** How the product differs from the model; undefined when it does not. */
export function differenceIn(told: Case, seed: number): string | undefined {
  const dice = new Dice(seed ^ 0x5bd1);
  const books = new ProductBooks(told, (count) => dice.below(count));
  const expected: NaiveBooks[] = [];
  const stages: (readonly StatedAsset[])[] = [];
  for (const stage of STAGES) {
    const model = attempt(() => naiveBooks(told, stage));
    const product = attempt(() => books.advance(stage));
    if (model instanceof NoRate && product instanceof Fault && product.reason === 'no_rate') return undefined;
    if (model instanceof Error || product instanceof Error) {
      const failures = [model, product].map((one) => (one instanceof Error ? one.message : 'it is well'));
      return `stage ${stage}: the model says "${failures.join('" and the product "')}"`;
    }
    expected.push(model);
    const charges = chargesDiffer(model, books);
    if (charges !== undefined) return `stage ${stage}: ${charges}`;
    // A statement has what was charged in its month, so the last word on October is on November's.
    const stated = books.statement(stage - 1, stage);
    stages.push(stated);
    const owed = statementsDiffer(stated, model, expected.at(-2));
    if (owed !== undefined) return `stage ${stage}: ${owed}`;
    if (stage === CLOSING_STAGE) books.close({ start: instant(OCTOBER.start), end: instant(OCTOBER.end) });
  }
  const [first = [], , , third = []] = stages;
  const second = books.statement(0, 2);
  const last = expected.at(-1);
  for (const i of [0, 1] as const) {
    const sections = [first[i], second[i], third[i]];
    if (sections[0]?.totals.closing !== sections[1]?.totals.opening) return 'a statement opens where none closed';
    if (sections[1]?.totals.closing !== sections[2]?.totals.opening) return 'a statement opens where none closed';
    const charged = sections.reduce((sum, section) => sum + (section?.totals.charges ?? 0n), 0n);
    if (charged !== last?.charged[i]) return `statements charge ${charged} and the model ${last?.charged[i]}`;
  }
  return undefined;
}

function attempt<Value>(run: () => Value): Value | Error {
  try {
    return run();
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
}

/** A service may have a charge of its month and one that corrects it; together they are what it is worth. */
function chargesDiffer(model: NaiveBooks, books: ProductBooks): string | undefined {
  const found = new Map<string, { quantity: Decimal[]; exact: Decimal[]; atomic: bigint }>();
  for (const { price, service, quantity, exact, atomic } of books.charges) {
    if (price.modifiers.fraction === 'carry') continue;
    const key = `${price.offer} ${service.start}`;
    const sum = found.get(key) ?? { quantity: [], exact: [], atomic: 0n };
    found.set(key, {
      quantity: [...sum.quantity, quantity],
      exact: [...sum.exact, exact],
      atomic: sum.atomic + atomic,
    });
  }
  for (const charge of model.charges) {
    const key = `${charge.offer} ${charge.start}`;
    const sum = found.get(key);
    found.delete(key);
    const [quantity, exact] = [added(sum?.quantity ?? []), added(sum?.exact ?? [])];
    if (!same(quantity, charge.quantity))
      return `the quantity of ${key} is ${shown(quantity)}, not ${charge.quantity.join('/')}`;
    if (!close(exact, charge.exact)) return `the cost of ${key} is ${shown(exact)}, not ${charge.exact.join('/')}`;
    if ((sum?.atomic ?? 0n) !== charge.atomic) return `${key} is charged ${sum?.atomic ?? 0n}, not ${charge.atomic}`;
  }
  const rest = [...found].find(([, { atomic }]) => atomic !== 0n);
  return rest && `${rest[0]} is charged ${rest[1].atomic}, and nothing is owed for it`;
}

const added = (all: readonly Decimal[]): Decimal => {
  const scale = Math.max(0, ...all.map((each) => each.scale));
  return { units: all.reduce((sum, each) => sum + each.units * 10n ** BigInt(scale - each.scale), 0n), scale };
};
const shown = ({ units, scale }: Decimal): string => `${units}e-${scale}`;

function statementsDiffer(
  sections: ReturnType<ProductBooks['statement']>,
  now: NaiveBooks,
  before: NaiveBooks | undefined,
): string | undefined {
  for (const i of [0, 1] as const) {
    const totals = sections[i]?.totals;
    const [charges, payments, adjustments] = [
      now.charged[i] - (before?.charged[i] ?? 0n),
      now.paid[i] - (before?.paid[i] ?? 0n),
      -(now.writtenOff[i] - (before?.writtenOff[i] ?? 0n)),
    ];
    if (totals?.charges !== charges) return `asset ${i} is charged ${totals?.charges} more, not ${charges}`;
    if (totals.payments !== payments) return `asset ${i} paid ${totals.payments} more, not ${payments}`;
    if (totals.adjustments !== adjustments)
      return `asset ${i} is adjusted by ${totals.adjustments}, not ${adjustments}`;
  }
  return undefined;
}
