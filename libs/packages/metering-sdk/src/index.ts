export type { EventVerdict, IngestResult, UsageData, UsageEvent } from './contract.js';
export type { Counters } from './counters.js';
export {
  ClosedError,
  DroppedError,
  type DropReason,
  InvalidOptionError,
  InvalidRecordError,
  MeteringError,
  QueueFullError,
  SpanLostError,
} from './errors.js';
export type { LevelRecord, UsageRecord } from './events.js';
export { type FlushResult, Metering } from './metering.js';
export type { MeteringOptions } from './options.js';
export type { Quantity } from './quantity.js';
export type { Span } from './span.js';
export type { Timer } from './timers.js';
