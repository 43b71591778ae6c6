/** 12 bits. */
const SEQUENCE_END = 4096;

/**
 * Makes UUIDs of version 7 (RFC 9562 §5.7) that sort in the order they were made: 48 bits of milliseconds, a 12-bit
 * sequence within the millisecond, 62 random bits. A clock that steps back does not break the order.
 */
export function timeOrderedIds(now: () => number): () => string {
  let millisecond = -1;
  let sequence = 0;
  return () => {
    const current = Math.floor(now());
    if (current > millisecond) {
      millisecond = current;
      sequence = 0;
    } else if (++sequence === SEQUENCE_END) {
      millisecond += 1; // Borrowed from the next millisecond, which then starts after us.
      sequence = 0;
    }
    return uuid(millisecond, sequence, crypto.getRandomValues(new Uint8Array(8)));
  };
}

function uuid(millisecond: number, sequence: number, random: Uint8Array): string {
  const time = hex(millisecond, 12);
  const tail = [...random].map((byte, index) => hex(index === 0 ? (byte & 0x3f) | 0x80 : byte, 2)).join('');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(sequence, 3)}-${tail.slice(0, 4)}-${tail.slice(4)}`;
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
