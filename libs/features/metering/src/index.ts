export {
  type IngestInput,
  type IngestResult,
  IngestUsage,
  MOST_EVENTS,
  type ReceivedUsage,
} from './doors/ingest-usage.js';
export type { EventVerdict } from './doors/event-verdict.js';
export { type BatchAnswer, IngestBatch, type IngestBatchInput, MOST_BATCH_BYTES } from './doors/ingest-batch.js';
export { type Maintained, MaintainUsage } from './doors/maintain-usage.js';
export { ListStreams, type StreamPage, type StreamView } from './doors/list-streams.js';
export { contentMark, eventIdentity } from './doors/event-identity.js';
export {
  MOST_WINDOWS,
  USAGE_WINDOWS,
  type UsageGroup,
  type UsageQuery,
  UsageReader,
  type UsageWindow,
  type UsageWindowSize,
} from './reading/usage.reader.js';
export { MeterReader, type StoredMeter } from './meters/meter.reader.js';
export { CreateMeter, type MeterDefinition } from './meters/create-meter.js';
export { type MeterRevision, ReviseMeter } from './meters/revise-meter.js';
export { type MeterPreview, type MeterPreviewInput, PreviewMeter } from './meters/preview-meter.js';
export { type RolledUp, type RollUpOptions, RollUpUsage } from './roll-up/roll-up-usage.js';
export { type RebuildInput, RebuildUsage, type UsageDifference } from './roll-up/rebuild-usage.js';
export { CutUsage } from './roll-up/cut-usage.js';
export { ListMeters } from './meters/list-meters.js';
export { type EventPage, ListEvents } from './log/list-events.js';
export { ENTRY_KINDS, type EntryKind, type EventState, type UsageEventView } from './log/event-view.js';
export { type EventVersion, ReadEvent } from './log/read-event.js';
export { VoidEvent, type VoidEventInput, type VoidEventResult } from './corrections/void-event.js';
export { AmendEvent, type AmendEventInput, type AmendEventResult } from './corrections/amend-event.js';
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
} from './corrections/held-events.js';
export { type AddedPart, Backfills, type CommittedBackfill } from './corrections/backfills.js';
export { BACKFILL_STATES, type Backfill, type BackfillState, type Replaces } from './corrections/backfill.js';
export { type BackfillVerdict, MOST_BACKFILL_EVENTS } from './corrections/backfill-plan.js';
export type { AffectedUsage, BackfillQuantity } from './corrections/backfill-preview.js';
