import { type Decimal, ZERO, addDecimals, decimal } from '@core/money';
import { placesOf, readNumber, readShort, unitsOf } from './quantity-text.js';
import type { BatchNumber } from './usage-batch.js';

const MOST = Number.MAX_SAFE_INTEGER;

/**
 * An exact running sum. What is added is nearly always a small integer or a short decimal, so that it is kept in safe integers,
 * one for each count of decimal places, and goes to a `Decimal` only before one of them would lose a digit.
 */
export class Tally {
  #whole = 0;
  #parts: number[] | undefined;
  #rest: Decimal = ZERO;

  /** Adds a number as it stands in a column, of which null and what is no number add nothing. `sign` -1 subtracts. */
  add(number: BatchNumber | undefined, sign: 1 | -1): void {
    if (typeof number === 'number') this.#addUnits(sign * number, 0);
    else if (typeof number === 'string') this.#addText(number, sign);
  }

  addDecimal(value: Decimal): void {
    this.#rest = addDecimals(this.#rest, value);
  }

  total(): Decimal {
    const whole = this.#whole === 0 ? ZERO : { units: BigInt(this.#whole), scale: 0 };
    let total = this.#rest.units === 0n ? whole : addDecimals(this.#rest, whole);
    this.#parts?.forEach((units, places) => {
      total = addDecimals(total, decimal(BigInt(units), places));
    });
    return total;
  }

  #addText(text: string, sign: 1 | -1): void {
    const short = readShort(text);
    if (short >= 0) {
      this.#addUnits(sign * unitsOf(short), placesOf(short));
      return;
    }
    const value = readNumber(text);
    if (value) this.addDecimal(sign === 1 ? value : { units: -value.units, scale: value.scale });
  }

  #addUnits(units: number, places: number): void {
    const before = places === 0 ? this.#whole : (this.#parts?.[places] ?? 0);
    let after = before + units;
    if (after > MOST || after < -MOST) {
      this.addDecimal(decimal(BigInt(before), places));
      after = units;
    }
    if (places === 0) this.#whole = after;
    else (this.#parts ??= [])[places] = after;
  }
}
