/** What stands in a log line where a secret would have been. */
const CENSORED = '[redacted]';

/** Fields that carry a secret, whatever object they are in: names are compared without case, dashes and underscores. */
const SECRET_NAMES = new Set(
  [
    'authorization',
    'proxyauthorization',
    'cookie',
    'setcookie',
    'paymentsignature',
    'xpayment',
    'signature',
    'secret',
    'password',
    'pepper',
  ].concat([
    'apikey',
    'key',
    'token',
    'privatekey',
    'relayerkeys',
    'keypepper',
    'quotesecret',
    'body',
    'rawbody',
    'raw',
  ]),
);

/** Texts that are secrets wherever they turn up: provider keys, bearer tokens, signatures, passwords inside URLs. */
const SECRET_TEXTS: readonly (readonly [RegExp, string])[] = [
  [/fbx_[a-z]+_[0-9a-f]{32}_[\w-]{16,}/g, CENSORED],
  [/\bBearer\s+[^\s"',]+/gi, `Bearer ${CENSORED}`],
  [/0x[0-9a-fA-F]{130,}/g, CENSORED],
  [/(:\/\/[^\s:/@]*):[^\s/@]+@/g, `$1:${CENSORED}@`],
];

/** Deeper objects are cut off: a log line is a line. */
const DEPTH = 6;

export const censorText = (text: string): string =>
  SECRET_TEXTS.reduce((censored, [pattern, replacement]) => censored.replace(pattern, replacement), text);

/** A copy of a value that is fit to be logged: no secret by name or by form, bytes by their length, integers as text. */
export function censor(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return censorText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Error) return censorError(value, depth);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (value instanceof Date) return value.toISOString();
  if (depth >= DEPTH) return '[deeper]';
  if (Array.isArray(value)) return value.map((item) => censor(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, isSecretName(name) ? CENSORED : censor(item, depth + 1)]),
  );
}

const isSecretName = (name: string): boolean => SECRET_NAMES.has(name.toLowerCase().replaceAll(/[-_]/g, ''));

/** What helps to find a fault: its kind, text, place and causes. Other properties (rows, parameters) stay out. */
function censorError(error: Error, depth: number): object {
  const named = ['code', 'reason', 'statusCode'].flatMap((name) => {
    const value: unknown = Reflect.get(error, name);
    return typeof value === 'string' || typeof value === 'number' ? [[name, value] as const] : [];
  });
  return {
    type: error.name,
    message: censorText(error.message),
    ...Object.fromEntries(named),
    stack: error.stack === undefined ? undefined : censorText(error.stack),
    ...(error.cause === undefined || depth >= DEPTH ? {} : { cause: censor(error.cause, depth + 1) }),
  };
}
