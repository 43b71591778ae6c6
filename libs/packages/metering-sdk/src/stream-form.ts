import type { Usage } from './usage.js';

// A batch of a stream is read whole or refused whole. One event that no server could read must not take a thousand good
// ones with it, so only events of the plainest form go by the stream door; the others get a verdict of their own at the
// open door.

const NAME = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]{1,256}$/u;
const PLAIN = /^(?:0|[1-9]\d*)(?:\.\d{1,18})?$/;
const SIGNED = /^-?(?:0|[1-9]\d*)(?:\.\d{1,18})?$/;
/** A sign and a point included: 38 digits in all, fewer than that for certain. */
const MOST_CHARACTERS = 38;
const MOST_DIMENSIONS = 8;
/** At most 64 bytes each, whatever the script. */
const DIMENSION = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]{1,64}$/u;
const END_OF_TIME = Date.UTC(9999, 11, 31);

/** May this usage be part of a numbered batch? */
export function isStreamable(usage: Usage): usage is Usage & { readonly time: number } {
  const { id, meter, account, time, data } = usage;
  if (id !== undefined || typeof time !== 'number') return false;
  if (!Number.isSafeInteger(time) || time < 0 || time > END_OF_TIME) return false;
  if (!NAME.test(meter) || !NAME.test(account)) return false;
  if (data.resource !== undefined && !NAME.test(data.resource)) return false;
  if (data.dimensions !== undefined && !dimensionsFit(data.dimensions)) return false;
  if (!fits(SIGNED, data.delta)) return false;
  return fits(PLAIN, data.value) && fits(PLAIN, data.level) && fits(PLAIN, data.weight) && fits(PLAIN, data.cost);
}

const fits = (form: RegExp, text: string | undefined): boolean =>
  text === undefined || (text.length <= MOST_CHARACTERS && form.test(text));

function dimensionsFit(dimensions: Readonly<Record<string, string>>): boolean {
  const entries = Object.entries(dimensions);
  return entries.length <= MOST_DIMENSIONS && entries.every(([key, value]) => isLabel(key) && isLabel(value));
}

const isLabel = (text: unknown): boolean =>
  typeof text === 'string' && DIMENSION.test(text) && encodedLength(text) <= 64;

/** Bytes of UTF-8: one, two, three, or four for a pair of surrogates. */
function encodedLength(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }
  return bytes;
}
