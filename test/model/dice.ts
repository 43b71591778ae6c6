/** A small generator with a seed: a case is its number, so that any failure is found again by it. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
    for (let i = 0; i < 3; i += 1) this.next();
  }

  /** 0 to 1, 1 excluded. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let x = this.#state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** From 0, below the bound. */
  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  between(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  of<Item>(items: readonly [Item, ...Item[]]): Item {
    return items[this.below(items.length)] ?? items[0];
  }

  /** Present with a probability. */
  maybe<Fields extends object>(probability: number, fields: () => Fields): Fields | Record<never, never> {
    return this.chance(probability) ? fields() : {};
  }
}

export const plain = (units: number | bigint, places: number): string => {
  const digits = units.toString().padStart(places + 1, '0');
  const text = places === 0 ? digits : `${digits.slice(0, -places)}.${digits.slice(-places)}`;
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
};

/** Most are short, so that sums meet bounds and halves exactly; some have all the places there may be. */
export const amount = (dice: Dice, most = 60): string => {
  if (dice.chance(0.5)) return String(dice.below(most + 1));
  if (dice.chance(0.8)) return plain(dice.below(most * 1000), dice.of([1, 2, 2, 3]));
  const places = dice.of([6, 12, 18]);
  return plain(BigInt(dice.below(most)) * 10n ** BigInt(places) + BigInt(dice.below(999_999_999)), places);
};
export const positive = (dice: Dice, most = 60): string => {
  const text = amount(dice, most);
  return /^[0.]*$/.test(text) ? '1' : text;
};
export const fraction = (dice: Dice): string =>
  dice.chance(0.5) ? plain(dice.below(101), 2) : plain(dice.below(11), 1);
