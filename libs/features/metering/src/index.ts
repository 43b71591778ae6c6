export { type IngestInput, type IngestResult, IngestUsage, MOST_EVENTS, type ReceivedUsage } from './ingest-usage.js';
export type { EventVerdict } from './event-verdict.js';
export { type BatchAnswer, IngestBatch, type IngestBatchInput, MOST_BATCH_BYTES } from './ingest-batch.js';
export { type Maintained, MaintainUsage } from './maintain-usage.js';
export { ListStreams, type StreamPage, type StreamView } from './list-streams.js';
export { contentMark, eventIdentity } from './event-identity.js';
export {
  MOST_WINDOWS,
  USAGE_WINDOWS,
  type UsageGroup,
  type UsageQuery,
  UsageReader,
  type UsageWindow,
  type UsageWindowSize,
} from './usage.reader.js';
export { MeterReader, type StoredMeter } from './meter.reader.js';
export { CreateMeter, type MeterDefinition } from './create-meter.js';
export { type MeterRevision, ReviseMeter } from './revise-meter.js';
export { type MeterPreview, type MeterPreviewInput, PreviewMeter } from './preview-meter.js';
export { type RolledUp, type RollUpOptions, RollUpUsage } from './roll-up-usage.js';
export { type RebuildInput, RebuildUsage, type UsageDifference } from './rebuild-usage.js';
export { CutUsage } from './cut-usage.js';
export { ListMeters } from './list-meters.js';
export { type EventPage, ListEvents } from './list-events.js';
export { ENTRY_KINDS, type EntryKind, type EventState, type UsageEventView } from './event-view.js';
export { type EventVersion, ReadEvent } from './read-event.js';
export { VoidEvent, type VoidEventInput, type VoidEventResult } from './void-event.js';
export { AmendEvent, type AmendEventInput, type AmendEventResult } from './amend-event.js';
export {
  HELD_STATES,
  type HeldEvent,
  HeldEvents,
  type HeldPage,
  type HeldSelection,
  type HeldState,
  MOST_HELD_PER_CALL,
  type ReplayResult,
  type ReplayVerdict,
} from './held-events.js';
export { type AddedPart, Backfills, type CommittedBackfill } from './backfills.js';
export { BACKFILL_STATES, type Backfill, type BackfillState, type Replaces } from './backfill.js';
export { type BackfillVerdict, MOST_BACKFILL_EVENTS } from './backfill-plan.js';
export type { AffectedUsage, BackfillQuantity } from './backfill-preview.js';
