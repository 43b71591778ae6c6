/** Headers of x402 that a browser's script may only read when they are listed. */
const EXPOSED = ['PAYMENT-REQUIRED', 'PAYMENT-RESPONSE', 'X-PAYMENT-RESPONSE'];
const EXPOSED_OF_STREAMS = [...EXPOSED, 'X-FAREBOX-PAYMENT', 'X-FAREBOX-PAYMENT-STATUS'];

/** What of a handler's answer is kept to be given again: what says how to read the body, nothing of the connection or of cookies. */
const KEPT = new Set([
  'content-type',
  'content-encoding',
  'content-language',
  'content-disposition',
  'content-location',
  'etag',
  'last-modified',
  'link',
  'location',
]);

/** Framing belongs to the connection the answer is written to, not to the answer. */
const FRAMING = new Set(['content-length', 'transfer-encoding', 'connection', 'keep-alive', 'trailer', 'upgrade']);

export const CACHE_SECONDS = 'x-farebox-cache-seconds';

export type OutgoingHeaders = Readonly<Record<string, number | string | readonly string[] | undefined>>;
type Headers = Readonly<Record<string, string>>;

/** The safe part of a handler's headers, in lower case, lists joined. */
export function keptHeaders(headers: OutgoingHeaders): Headers {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || !KEPT.has(name.toLowerCase())) continue;
    kept[name.toLowerCase()] = typeof value === 'object' ? value.join(', ') : String(value);
  }
  return kept;
}

export function withoutFraming(headers: Headers): Headers {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !FRAMING.has(name.toLowerCase())));
}

/** The value of a header and the headers without it, whatever its case. */
export function takeHeader(headers: Headers, wanted: string): { readonly value?: string; readonly rest: Headers } {
  const entries = Object.entries(headers);
  const isWanted = ([name]: [string, string]): boolean => name.toLowerCase() === wanted;
  const value = entries.find(isWanted)?.[1];
  const rest = Object.fromEntries(entries.filter((entry) => !isWanted(entry)));
  return value === undefined ? { rest } : { value, rest };
}

type HeaderValue = number | string | readonly string[] | null | undefined;

/** An Access-Control-Expose-Headers that lists the payment headers behind what it lists already. */
export function exposedHeaders(existing: HeaderValue, wanted: readonly string[] = EXPOSED): string {
  if (existing === undefined || existing === null) return wanted.join(', ');
  const listed = [existing].flat().join(',').split(',');
  const names = listed.map((name) => name.trim()).filter((name) => name !== '');
  const lower = new Set(names.map((name) => name.toLowerCase()));
  return [...names, ...wanted.filter((name) => !lower.has(name.toLowerCase()))].join(', ');
}

export const EXPOSE = 'access-control-expose-headers';

/** The head of a stream says which payment it is charged to, and where to read what was charged in the end. */
export const streamHeaders = (
  { id, statusUrl }: { readonly id: string; readonly statusUrl: string },
  exposed: HeaderValue,
): Headers => ({
  'x-farebox-payment': id,
  'x-farebox-payment-status': statusUrl,
  'cache-control': 'private, no-store',
  [EXPOSE]: exposedHeaders(exposed, EXPOSED_OF_STREAMS),
});
