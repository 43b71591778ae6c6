import { formatDecimal, parseDecimal } from '@core/money';
import { sortedDimensions } from './content.js';
import type { BatchNumber, UsageBatch } from './usage-batch.js';

/**
 * `canonicalContent` of the events of a batch, by ordinal and the account's number, written from the columns: for whoever needs
 * it of every event there is, what events have in common is written once.
 */
export function canonicalContents(batch: UsageBatch): (ordinal: number, account: number) => string {
  const { columns, t0 } = batch;
  const types = batch.types.map((type) => JSON.stringify(type));
  // A resource without a name is none.
  const resources = (batch.resources ?? []).map((resource) => (resource === '' ? 'null' : JSON.stringify(resource)));
  const dimensions = (batch.dimensions ?? []).map((each) => JSON.stringify(sortedDimensions(each)));
  return (i, account) => {
    const time = columns.timeStated?.[i] === 0 ? 'null' : t0 + (columns.time[i] ?? 0);
    const resource = resources[columns.resource?.[i] ?? -1] ?? 'null';
    const labels = dimensions[columns.dimensions?.[i] ?? -1] ?? '[]';
    const [value, level] = [numberText(columns.value?.[i]), numberText(columns.level?.[i])];
    const first = `${types[columns.type[i] ?? -1] ?? '""'},"${account}",${time},${value},${level},${resource},${labels}`;
    const action = columns.action?.[i] ?? undefined;
    const [delta, weight, cost] = [
      numberText(columns.delta?.[i]),
      numberText(columns.weight?.[i]),
      numberText(columns.cost?.[i]),
    ];
    return delta === 'null' && action === undefined && weight === 'null' && cost === 'null'
      ? `["farebox.event.1",${first}]`
      : `["farebox.event.2",${first},${delta},${action === undefined ? 'null' : `"${action}"`},${weight},${cost}]`;
  };
}

function numberText(cell: BatchNumber | undefined): string {
  if (cell === undefined || cell === null) return 'null';
  if (typeof cell === 'number' && Number.isSafeInteger(cell)) return `"${cell}"`;
  const number = parseDecimal(String(cell));
  return number ? `"${formatDecimal(number)}"` : 'null';
}
