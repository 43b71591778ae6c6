import type { Farebox } from './farebox.js';
import { cpuSeconds, postgresCpuSeconds } from './processes.js';
import { median } from './report.js';

type Costs = Readonly<Record<string, number>>;

/** Processor time that each process on the way takes for one operation, in microseconds: what a loaded machine changes least. */
export class CostMeter {
  readonly #taken: Costs[] = [];

  private constructor(
    private readonly farebox: Farebox,
    private readonly data: string,
    private readonly chain: { readonly pid: number | undefined },
  ) {}

  static async of(farebox: Farebox, chain: { readonly pid: number | undefined }): Promise<CostMeter> {
    const { rows } = await farebox.owner.query<{ data_directory: string }>('SHOW data_directory');
    return new CostMeter(farebox, rows[0]?.data_directory ?? '', chain);
  }

  /** Runs what is measured: so many operations. */
  async measure<T>(operations: number, run: () => Promise<T>): Promise<T> {
    const before = this.#clocks();
    const result = await run();
    const after = this.#clocks();
    const each = (name: string): number => (((after[name] ?? 0) - (before[name] ?? 0)) * 1e6) / operations;
    this.#taken.push(Object.fromEntries(Object.keys(after).map((name) => [name, each(name)])));
    return result;
  }

  /** The median round of each process. */
  get text(): string {
    const names = [...new Set(this.#taken.flatMap(Object.keys))];
    const of = (name: string): number => Math.round(median(this.#taken.map((costs) => costs[name] ?? 0)));
    return names.map((name) => `${name} ${of(name)}`).join(', ');
  }

  #clocks(): Costs {
    const { user, system } = process.cpuUsage();
    return {
      ...Object.fromEntries(
        Object.entries(this.farebox.processes).map(([name, server]) => [name, cpuSeconds([server]) ?? 0]),
      ),
      postgres: postgresCpuSeconds(this.data) ?? 0,
      chain: cpuSeconds([this.chain]) ?? 0,
      'load generator': (user + system) / 1e6,
    };
  }
}
