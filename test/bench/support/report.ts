import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** One hot path beside its ceiling or its peer, measured in the same run. Only the ratio counts; rates are for orientation. */
export interface Row {
  readonly path: string;
  /** What `ours` and `reference` count, e.g. `checks per CPU-second`. */
  readonly unit: string;
  readonly ours: number;
  readonly reference: number;
  readonly referenceName: string;
  /** ours ÷ reference. */
  readonly ratio: number;
  /** The ratio to reach, or not to exceed where less is better. */
  readonly target: number;
  readonly rounds: number;
  readonly lessIsBetter?: boolean;
}

interface Comparison {
  readonly path: string;
  readonly unit: string;
  readonly referenceName: string;
  readonly target: number;
  readonly rounds: number;
  readonly lessIsBetter?: boolean;
  /** One round of ours: returns its figure in `unit`. Called in turn with `reference`. */
  readonly ours: () => Promise<number> | number;
  readonly reference: () => Promise<number> | number;
}

/** `--short` was given: fewer rounds, smaller sizes, the same correctness checks. */
export const short = process.argv.includes('--short');

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) throw new Error('a median needs a value');
  const lower = sorted[middle - 1];
  return sorted.length % 2 === 1 || lower === undefined ? upper : (lower + upper) / 2;
}

/** Runs A B A B …, so that a noisy neighbour hits both, and takes the medians. */
export async function compare(comparison: Comparison): Promise<Row> {
  const ours: number[] = [];
  const reference: number[] = [];
  for (let round = 0; round < comparison.rounds; round += 1) {
    ours.push(await comparison.ours());
    reference.push(await comparison.reference());
  }
  return rowOf({ ...comparison, ours, reference });
}

/** A row of figures that were taken in turns; for benches in which one round gives several. */
export function rowOf(
  measured: Omit<Comparison, 'ours' | 'reference' | 'rounds'> & {
    readonly ours: readonly number[];
    readonly reference: readonly number[];
  },
): Row {
  const { path, unit, referenceName, target, lessIsBetter } = measured;
  const [ours, reference] = [median(measured.ours), median(measured.reference)];
  const rounds = measured.ours.length;
  return { path, unit, ours, reference, referenceName, ratio: ours / reference, target, rounds, lessIsBetter };
}

/**
 * Operations per second of processor time of this process. Other processes on the machine do not count, so it is the right
 * measure for pure computation, and only for that.
 */
export async function perCpuSecond(count: number, operation: (index: number) => unknown): Promise<number> {
  const before = process.cpuUsage();
  for (let index = 0; index < count; index += 1) {
    const pending = operation(index);
    if (pending instanceof Promise) await pending;
  }
  const { user, system } = process.cpuUsage(before);
  return count / ((user + system) / 1e6);
}

const figure = (value: number): string =>
  value.toLocaleString('en-US', { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });

const reached = ({ ratio, target, lessIsBetter }: Row): boolean => (lessIsBetter ? ratio <= target : ratio >= target);

function table(rows: readonly Row[]): string {
  const head = ['path', 'unit', 'ours', 'reference', 'measured against', 'ratio', 'target', ''];
  const lines = rows.map((row) => [
    row.path,
    row.unit,
    figure(row.ours),
    figure(row.reference),
    row.referenceName,
    `${row.ratio.toFixed(2)} x`,
    `${row.lessIsBetter ? '≤' : '≥'} ${row.target} x`,
    reached(row) ? 'reached' : 'missed',
  ]);
  const widths = head.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => (line[column] ?? '').length)),
  );
  const print = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [print(head), print(widths.map((width) => '-'.repeat(width))), ...lines.map(print)].join('\n');
}

/** Prints the rows and keeps them in `test/bench/out/<name>.json`. */
export function report(name: string, rows: readonly Row[]): void {
  const file = join(dirname(dirname(fileURLToPath(import.meta.url))), 'out', `${name}.json`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(rows, undefined, 2)}\n`);
  process.stdout.write(`\n${table(rows)}\n`);
}
