const PLAIN_DECIMAL = /^\d+(?:\.\d+)?$/;

export function isPlainDecimal(text: unknown): text is string {
  return typeof text === 'string' && PLAIN_DECIMAL.test(text);
}

/** Plain decimals as integers of the finest scale among them: exact, whatever their length. */
function aligned(texts: readonly string[]): { readonly values: readonly bigint[]; readonly scale: number } {
  const parts = texts.map((text) => text.split('.'));
  const scale = Math.max(...parts.map(([, fraction = '']) => fraction.length));
  return { values: parts.map(([whole = '', fraction = '']) => BigInt(whole + fraction.padEnd(scale, '0'))), scale };
}

export function isLess(a: string, b: string): boolean {
  const [left = 0n, right = 0n] = aligned([a, b]).values;
  return left < right;
}

export const larger = (a: string, b: string): string => (isLess(a, b) ? b : a);
export const smaller = (a: string, b: string): string => (isLess(b, a) ? b : a);

export function sum(a: string, b: string): string {
  const { values, scale } = aligned([a, b]);
  const digits = values.reduce((total, value) => total + value, 0n).toString();
  if (scale === 0) return digits;
  const padded = digits.padStart(scale + 1, '0');
  return `${padded.slice(0, -scale)}.${padded.slice(-scale)}`.replace(/\.?0+$/, '');
}

export const isZero = (text: string): boolean => !/[1-9]/.test(text);
