import { type Decimal, ZERO, compareDecimals, formatDecimal, parseDecimal } from '@core/money';

/** A JSON value as a price is written down and stored. Quantities, rates and money are decimal strings. */
type PriceJson = string | number | boolean | readonly PriceJson[] | { readonly [field: string]: PriceJson };

/** A definition in its one canonical form: equal prices have equal definitions, keys in the same order. */
export type PriceDefinitionJson = Readonly<Record<string, PriceJson>>;

/** What was wrong with something a provider wrote: a sentence that says how to mend it. */
export interface Problem {
  readonly problem: string;
}

export const isProblem = (value: object): value is Problem => 'problem' in value;

const PLACES = 18;
const DIGITS = 38;

/** The form every decimal of a definition has. */
const DECIMAL_FORM = `a plain decimal string of zero or more with at most ${PLACES} decimal places, e.g. "0.004"`;

const shown = (text: string): string => text.slice(0, 64);

/**
 * Reads the fields of a definition and keeps the first thing that is wrong with them, so that a model reads top to
 * bottom and asks once, at the end.
 */
export class DefinitionReader {
  readonly #fields: Readonly<Record<string, unknown>>;
  #problem: string | undefined;

  /** @param subject what is read, as a sentence begins: `A per_unit price`, `Tier 2` */
  constructor(
    readonly subject: string,
    value: unknown,
    allowed: readonly string[],
  ) {
    const object = typeof value === 'object' && value !== null && !Array.isArray(value);
    this.#fields = object ? Object.fromEntries(Object.entries(value)) : {};
    if (!object) this.refuse(`${subject} is an object with ${listed(allowed)}.`);
    const stray = Object.keys(this.#fields).find((name) => !allowed.includes(name));
    if (stray !== undefined) this.refuse(`${subject} has no "${shown(stray)}"; it has ${listed(allowed)}.`);
  }

  /** Keeps the first problem; later ones often follow from it. */
  refuse(problem: string): void {
    this.#problem ??= problem;
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  has(field: string): boolean {
    return this.#fields[field] !== undefined;
  }

  raw(field: string): unknown {
    return this.#fields[field];
  }

  /** A decimal that has to be there. */
  decimal(field: string, rule?: 'above zero' | 'at most one'): Decimal {
    return this.has(field) ? (this.optionalDecimal(field, rule) ?? ZERO) : this.#missing(field, ZERO);
  }

  optionalDecimal(field: string, rule?: 'above zero' | 'at most one'): Decimal | undefined {
    const given = this.#fields[field];
    if (given === undefined) return undefined;
    const value = typeof given === 'string' ? parseDecimal(given) : undefined;
    if (!value || value.units < 0n || value.scale > PLACES || value.units.toString().length > DIGITS) {
      this.refuse(`${this.subject}: "${field}" must be ${DECIMAL_FORM}.`);
      return ZERO;
    }
    if (rule === 'above zero' && value.units === 0n) this.refuse(`${this.subject}: "${field}" must be above zero.`);
    if (rule === 'at most one' && compareDecimals(value, ONE) > 0) {
      this.refuse(`${this.subject}: "${field}" is a fraction of one: write 20 percent as "0.2".`);
    }
    return value;
  }

  /** One of a few words; the first is what absence means. */
  choice<Word extends string>(field: string, words: readonly [Word, ...Word[]]): Word {
    const given = this.#fields[field];
    if (given === undefined) return words[0];
    const word = words.find((one) => one === given);
    if (word === undefined) this.refuse(`${this.subject}: "${field}" must be one of ${listed(words)}.`);
    return word ?? words[0];
  }

  /** A short text that has to be there. */
  text(field: string, what: string): string {
    const given = this.#fields[field];
    if (typeof given === 'string' && given.length > 0 && given.length <= 128) return given;
    this.refuse(`${this.subject}: "${field}" must be ${what}, 1 to 128 characters.`);
    return '';
  }

  /** A list with at least one and at most `most` entries. */
  list(field: string, what: string, most = 1000): readonly unknown[] {
    const given: unknown = this.#fields[field];
    if (Array.isArray(given) && given.length > 0 && given.length <= most) return given;
    this.refuse(`${this.subject}: "${field}" must be a list of 1 to ${most} ${what}.`);
    return [];
  }

  #missing<Value>(field: string, instead: Value): Value {
    this.refuse(`${this.subject} needs "${field}": ${DECIMAL_FORM}.`);
    return instead;
  }
}

const ONE: Decimal = { units: 1n, scale: 0 };

export const listed = (words: readonly string[]): string => words.map((word) => `"${word}"`).join(', ');

/** The fields that are there, in the given order, decimals as canonical text: what a definition is stored as. */
export function canonical(fields: Readonly<Record<string, Decimal | PriceJson | undefined>>): PriceDefinitionJson {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, isDecimal(value) ? formatDecimal(value) : value]],
    ),
  );
}

const isDecimal = (value: Decimal | PriceJson): value is Decimal =>
  typeof value === 'object' && 'units' in value && typeof value.units === 'bigint';
