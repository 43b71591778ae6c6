export { type IngestResult, IngestUsage, MOST_EVENTS } from './doors/ingest-usage.js';
export type { EventVerdict } from './doors/event-verdict.js';
export { type BatchAnswer, IngestBatch, MOST_BATCH_BYTES } from './doors/ingest-batch.js';
export { MaintainUsage } from './doors/maintain-usage.js';
export { ListStreams } from './doors/list-streams.js';
export { USAGE_WINDOWS, type UsageQuery, UsageReader } from './reading/usage.reader.js';
export { MeterReader, type StoredMeter } from './meters/meter.reader.js';
export { CreateMeter, type MeterDefinition } from './meters/create-meter.js';
export { ReviseMeter } from './meters/revise-meter.js';
export { PreviewMeter } from './meters/preview-meter.js';
export { type RollUpOptions, RollUpUsage } from './roll-up/roll-up-usage.js';
export { RebuildUsage, type UsageDifference } from './roll-up/rebuild-usage.js';
export { CutUsage } from './roll-up/cut-usage.js';
export { ListMeters } from './meters/list-meters.js';
export { ListEvents } from './log/list-events.js';
export { ENTRY_KINDS, type UsageEventView } from './log/event-view.js';
export { type EventVersion, ReadEvent } from './log/read-event.js';
export { VoidEvent } from './corrections/void-event.js';
export { AmendEvent } from './corrections/amend-event.js';
export {
  HELD_STATES,
  type HeldEvent,
  HeldEvents,
  type HeldSelection,
  MOST_HELD_PER_CALL,
} from './corrections/held-events.js';
export { Backfills } from './corrections/backfills.js';
export { BACKFILL_STATES, type Backfill, type Replaces } from './corrections/backfill.js';
export type { AffectedUsage } from './corrections/backfill-preview.js';
