import { ACTIONS, type SentEvent } from '@core/metering';

/**
 * Whether what was sent is a usage event as the schema has it. It is asked of every event there is, which the schema is several
 * times too slow for. It says yes only where the schema does; where it says no, the schema tells what is wrong, if anything.
 */
export function isPlainEvent(sent: unknown): sent is SentEvent {
  if (!isRecord(sent)) return false;
  return (
    sent.specversion === '1.0' &&
    typeof sent.id === 'string' &&
    typeof sent.source === 'string' &&
    typeof sent.type === 'string' &&
    typeof sent.subject === 'string' &&
    isText(sent.time) &&
    (sent.datacontenttype === undefined || sent.datacontenttype === 'application/json') &&
    (sent.data === undefined || sent.data === null || isData(sent.data))
  );
}

function isData(data: unknown): boolean {
  if (!isRecord(data)) return false;
  for (const field in data) {
    const value = data[field];
    switch (field) {
      case 'value':
      case 'level':
      case 'delta':
      case 'weight':
      case 'cost':
      case 'resource':
        if (!isText(value)) return false;
        break;
      case 'action':
        if (value !== undefined && !ACTIONS.some((action) => action === value)) return false;
        break;
      case 'dimensions':
        if (value !== undefined && !isDimensions(value)) return false;
        break;
      default:
        return false;
    }
  }
  return true;
}

function isDimensions(dimensions: unknown): boolean {
  if (!isRecord(dimensions)) return false;
  for (const name in dimensions) if (typeof dimensions[name] !== 'string') return false;
  return true;
}

const isText = (value: unknown): boolean => value === undefined || typeof value === 'string';

/** An object as JSON has it. */
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
