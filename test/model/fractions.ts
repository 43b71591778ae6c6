/** An exact number of the model: numerator over a denominator above zero. Shares no arithmetic with what is tested. */
export type Fraction = readonly [over: bigint, under: bigint];

export const NOTHING: Fraction = [0n, 1n];
export const ONE: Fraction = [1n, 1n];

const divisor = (a: bigint, b: bigint): bigint => {
  let [x, y] = [a < 0n ? -a : a, b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
};

const LARGE = 1n << 256n;

/** Lowest terms cost more than they save while numbers are small. */
const lowest = (over: bigint, under: bigint): Fraction => {
  if (over === 0n) return NOTHING;
  if (under < LARGE) return [over, under];
  const common = divisor(over, under);
  return [over / common, under / common];
};

export const whole = (count: number | bigint): Fraction => [BigInt(count), 1n];

const readBefore = new Map<string, Fraction>();

export function read(text: string): Fraction {
  const known = readBefore.get(text);
  if (known) return known;
  if (readBefore.size > 50_000) readBefore.clear();
  const sign = text.startsWith('-') ? -1n : 1n;
  const [before = '0', after = ''] = text.replace('-', '').split('.');
  const value: Fraction = [sign * BigInt(before + after), 10n ** BigInt(after.length)];
  readBefore.set(text, value);
  return value;
}

export const plus = (a: Fraction, b: Fraction): Fraction =>
  a[1] === b[1] ? [a[0] + b[0], a[1]] : lowest(a[0] * b[1] + b[0] * a[1], a[1] * b[1]);
export const minus = (a: Fraction, b: Fraction): Fraction => plus(a, [-b[0], b[1]]);
export const times = (a: Fraction, b: Fraction): Fraction => lowest(a[0] * b[0], a[1] * b[1]);
export const over = (a: Fraction, b: Fraction): Fraction =>
  b[0] < 0n ? lowest(-a[0] * b[1], -a[1] * b[0]) : lowest(a[0] * b[1], a[1] * b[0]);
export const compare = (a: Fraction, b: Fraction): number => {
  const [left, right] = [a[0] * b[1], b[0] * a[1]];
  return left < right ? -1 : left > right ? 1 : 0;
};
export const least = (a: Fraction, b: Fraction): Fraction => (compare(a, b) <= 0 ? a : b);
export const most = (a: Fraction, b: Fraction): Fraction => (compare(a, b) >= 0 ? a : b);
export const total = (all: readonly Fraction[]): Fraction => all.reduce(plus, NOTHING);
export const isZero = (a: Fraction): boolean => a[0] === 0n;

export type Settling = 'half-up' | 'half-even' | 'up' | 'down' | 'floor';

/** How many whole steps of 10^-places there are, settled as named; `up` and `down` go by magnitude. */
export function steps(value: Fraction, places: number, how: Settling): bigint {
  const scaled = places >= 0 ? value[0] * 10n ** BigInt(places) : value[0];
  const under = places >= 0 ? value[1] : value[1] * 10n ** BigInt(-places);
  const negative = scaled < 0n;
  const magnitude = negative ? -scaled : scaled;
  const [down, rest] = [magnitude / under, magnitude % under];
  const away =
    how === 'up'
      ? rest > 0n
      : how === 'floor'
        ? negative && rest > 0n
        : how === 'half-up'
          ? rest * 2n >= under
          : how === 'half-even' && (rest * 2n > under || (rest * 2n === under && down % 2n === 1n));
  const settled = away ? down + 1n : down;
  return negative ? -settled : settled;
}

export const settled = (value: Fraction, places: number, how: Settling): Fraction => {
  const count = steps(value, places, how);
  return places >= 0 ? [count, 10n ** BigInt(places)] : [count * 10n ** BigInt(-places), 1n];
};
