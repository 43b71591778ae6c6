/**
 * JSON of which two equal values have the same text (RFC 8785): members in the order of their names' UTF-16 units, numbers and
 * strings as ECMAScript writes them.
 * @throws TypeError for what JSON has no form for.
 */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError('JSON has no form for such a number.');
  if (typeof value !== 'object' || value === null) {
    const text: string | undefined = JSON.stringify(value);
    if (text === undefined) throw new TypeError(`JSON has no form for a ${typeof value}.`);
    return text;
  }
  if (hasOwnForm(value)) return canonicalJson(value.toJSON());
  if (Array.isArray(value)) return `[${value.map((one) => canonicalJson(one ?? null)).join(',')}]`;
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
  return `{${members.join(',')}}`;
}

/** Dates and their like say what they are in JSON. */
const hasOwnForm = (value: object): value is { toJSON(): unknown } =>
  'toJSON' in value && typeof value.toJSON === 'function';
