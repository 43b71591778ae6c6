/** Types of array elements, by the numbers PostgreSQL has for them. */
const BYTEA = 17;
const INTEGER = 23;

/**
 * Arrays as PostgreSQL takes them in binary: written without a text in between, which for thousands of identities a commit is
 * most of the work. A missing element is null.
 */
function arrayOf(
  type: number,
  count: number,
  width: number,
  write: (to: Buffer, at: number, i: number) => boolean,
): Buffer {
  if (count === 0) {
    const empty = Buffer.alloc(12);
    empty.writeInt32BE(type, 8);
    return empty;
  }
  const array = Buffer.allocUnsafe(20 + count * (4 + width));
  let end = 20;
  let nulls = 0;
  for (let i = 0; i < count; i += 1) {
    if (write(array, end + 4, i)) {
      array.writeInt32BE(width, end);
      end += 4 + width;
    } else {
      array.writeInt32BE(-1, end);
      end += 4;
      nulls = 1;
    }
  }
  array.writeInt32BE(1, 0);
  array.writeInt32BE(nulls, 4);
  array.writeInt32BE(type, 8);
  array.writeInt32BE(count, 12);
  array.writeInt32BE(1, 16);
  return array.subarray(0, end);
}

/** bytea[] of the items of one width that follow each other in a buffer, or of those at `places`. */
export const bytesArray = (items: Buffer, width: number, places?: readonly number[]): Buffer =>
  arrayOf(BYTEA, places?.length ?? items.length / width, width, (to, at, i) => {
    const from = (places?.[i] ?? i) * width;
    items.copy(to, at, from, from + width);
    return true;
  });

/** integer[] */
export const integerArray = (items: readonly number[]): Buffer =>
  arrayOf(INTEGER, items.length, 4, (to, at, i) => {
    to.writeInt32BE(items[i] ?? 0, at);
    return true;
  });
