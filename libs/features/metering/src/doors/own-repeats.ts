/** By place, the earlier place with the same identity, of identities `width` words apart; undefined when each is there once. */
export function ownRepeats(words: Uint32Array, width: number): ReadonlyMap<number, number> | undefined {
  const count = words.length / width;
  let size = 8;
  while (size < 2 * count) size *= 2;
  const places = new Int32Array(size);
  let repeats: Map<number, number> | undefined;
  for (let i = 0, at = 0; i < count; i += 1, at += width) {
    let place = (words[at + 1] ?? 0) & (size - 1);
    for (;;) {
      const other = (places[place] ?? 0) - 1;
      if (other < 0) {
        places[place] = i + 1;
        break;
      }
      const from = other * width;
      if (
        words[from] === words[at] &&
        words[from + 1] === words[at + 1] &&
        words[from + 2] === words[at + 2] &&
        words[from + 3] === words[at + 3]
      ) {
        repeats ??= new Map();
        repeats.set(i, other);
        break;
      }
      place = (place + 1) & (size - 1);
    }
  }
  return repeats;
}
