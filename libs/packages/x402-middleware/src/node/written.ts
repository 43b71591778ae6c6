/** The forms in which writeHead takes headers: an object, a flat list, a list of pairs. */
export function headPairs(headers: unknown): [string, string | number | string[]][] {
  if (headers === undefined) return [];
  const entries: unknown[] = Array.isArray(headers) ? pairsOf(headers) : Object.entries(headers as object);
  return (entries as [string, string | number | string[] | undefined][]).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value]],
  );
}

function pairsOf(list: unknown[]): unknown[] {
  if (list.every(Array.isArray)) return list;
  return list.flatMap((name, index) => (index % 2 === 0 ? [[name, list[index + 1]]] : []));
}

export function bytesOf(chunk: unknown, encoding: unknown): Buffer {
  if (typeof chunk === 'string')
    return Buffer.from(chunk, typeof encoding === 'string' ? (encoding as 'utf8') : 'utf8');
  if (chunk instanceof Uint8Array) return Buffer.from(chunk); // A copy: the handler may reuse its memory.
  return Buffer.alloc(0);
}
