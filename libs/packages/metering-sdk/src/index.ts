export type {
  EventVerdict,
  IngestResult,
  StreamBatch,
  StreamCell,
  StreamColumns,
  StreamItem,
  StreamResult,
  UsageAction,
  UsageData,
  UsageEvent,
} from './contract.js';
export type { Counters } from './counters.js';
export {
  CallLostError,
  ClosedError,
  type DroppedBatch,
  DroppedError,
  type DropReason,
  InvalidOptionError,
  InvalidRecordError,
  MeteringError,
  QueueFullError,
  SpanLostError,
  SpoolDamagedError,
  SpoolFailedError,
  SpoolFullError,
  SpoolLockedError,
} from './errors.js';
export type { BatchReport, RetryReport } from './hooks.js';
export type { Spool } from './journal.js';
export { type FlushResult, Metering } from './metering.js';
export type { MeteringOptions, WhenFull } from './options.js';
export type { Quantity } from './quantity.js';
export type { Span } from './span.js';
export type { Timer } from './timers.js';
export type { ActionOptions, DeltaRecord, LevelRecord, UsageRecord, WeightOptions } from './usage.js';
