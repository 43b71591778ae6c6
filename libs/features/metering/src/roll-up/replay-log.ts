import { Contributions, type ListeningMeter } from '@core/metering';
import type { Instant, Period } from '@core/time';
import { Catalogue, type Hearing, type OpenEntry, openEntry } from './catalogue.js';
import { contribute } from './contribute.js';
import { type DerivedRows, rowsOf } from './derived.store.js';
import { LogReader } from '../log/log.reader.js';
import type { Querying } from '../log/query-rows.js';

interface ReplayInput {
  readonly provider: string;
  /** Entries up to this position. */
  readonly through: bigint;
  /** Rows of this span of use only; it must begin and end where cells do. */
  readonly use?: Period | undefined;
  /** Only these meters, by number; all when left out. */
  readonly meters?: ReadonlySet<number> | undefined;
  /** A meter as it is to be heard, if otherwise than it is stored. */
  readonly hear?: Hearing | undefined;
}

interface ReplayedPage {
  readonly rows: DerivedRows;
  readonly page: readonly OpenEntry[];
  readonly hearing: Hearing;
}

/** Reads the log again and says page by page what it contributes. What did not count the first time does not count again. */
export class ReplayLog {
  readonly #log = new LogReader();

  async *pages(on: Querying, input: ReplayInput): AsyncGenerator<ReplayedPage> {
    const { provider, through, use, meters } = input;
    for await (const entries of this.#log.pages(on, { after: 0n, through, provider, use })) {
      const page = entries.map(openEntry);
      const stored = input.hear ?? (await Catalogue.of(on, page));
      const hearing = meters ? among(stored, meters) : stored;
      const contributions = new Contributions();
      for (const open of page) contribute(contributions, open, hearing);
      yield { rows: within(rowsOf(contributions), use), page, hearing };
    }
  }
}

/** The rows of a span. */
export function within(rows: DerivedRows, use: Period | undefined): DerivedRows {
  if (!use) return rows;
  const inside = (at: Instant) => at >= use.start && at < use.end;
  return {
    cells: rows.cells.filter(({ start }) => inside(start)),
    values: rows.values.filter(({ start }) => inside(start)),
    points: rows.points.filter(({ time }) => inside(time)),
  };
}

const among = (hearing: Hearing, meters: ReadonlySet<number>): Hearing => {
  const wanted = ({ number }: ListeningMeter) => meters.has(number);
  return {
    listening: (provider, type) => hearing.listening(provider, type).filter(wanted),
    numbered: (number) => (meters.has(number) ? hearing.numbered(number) : undefined),
  };
};
