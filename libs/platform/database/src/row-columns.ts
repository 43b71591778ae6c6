import { Fault } from '@core/faults';

type Value = string | number | bigint | boolean | null | undefined;

/**
 * A column of rows that a function of the database takes as text. `each`: every row has its own value; `shared`: every row has one, often
 * the same; `optional`: rows may have none. `free`: somebody outside chose the text.
 */
export interface RowColumn<Row> {
  readonly kind: 'each' | 'shared' | 'optional';
  readonly free?: boolean;
  readonly of: (row: Row) => Value;
}

const PART = '\x1d';
const COLUMN = '\x1e';
const VALUE = '\x1f';
const NOTHING = '\x1c';
const SEPARATORS = [NOTHING, PART, COLUMN, VALUE];

/** Whether a text can be a value: it has none of the four characters that separate values. */
export const isColumnText = (text: string): boolean => !SEPARATORS.some((separator) => text.includes(separator));

/**
 * Rows as columns, which PostgreSQL takes apart in a third of the time that JSON takes: values are put one after another with separators
 * between them. A column that says the same in every row says it once; empty for no rows.
 * @throws Fault invariant_broken for a free text with a separator in it
 */
export function rowColumns<Row>(rows: readonly Row[], columns: readonly RowColumn<Row>[]): string {
  return rows.length === 0 ? '' : columns.map((column) => columnOf(rows, column)).join(COLUMN);
}

/** What `rowColumns` gave, one after another. */
export const joinParts = (parts: readonly string[]): string => parts.join(PART);

function columnOf<Row>(rows: readonly Row[], { kind, free, of }: RowColumn<Row>): string {
  const values = rows.map((row) => textOf(of(row)));
  const [first] = values;
  if (kind !== 'each' && values.every((value) => value === first)) {
    if (kind === 'shared' || first === NOTHING) {
      const once = first === NOTHING || first === undefined ? '' : first;
      if (free && !isColumnText(once)) throw unfit();
      return once;
    }
  }
  if (free && !values.every((value) => value === NOTHING || isColumnText(value))) throw unfit();
  return values.join(VALUE);
}

const textOf = (value: Value): string => {
  if (typeof value === 'string') return value;
  return value === undefined || value === null ? NOTHING : value.toString();
};

const unfit = (): Fault => new Fault('invariant_broken', 'a text that is to be written has a separator in it');
