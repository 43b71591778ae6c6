export { type EventVerdict, type IngestInput, type IngestResult, IngestUsage, MOST_EVENTS } from './ingest-usage.js';
export { MOST_WINDOWS, type UsageQuery, UsageReader, type UsageWindow } from './usage.reader.js';
export { MeterReader } from './meter.reader.js';
export { CreateMeter, type MeterDefinition } from './create-meter.js';
export { ListMeters } from './list-meters.js';
export { type EventPage, ListEvents, type UsageEventView } from './list-events.js';
