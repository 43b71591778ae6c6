export {
  AGGREGATIONS,
  type Aggregation,
  type DurationRules,
  type Meter,
  type MeterRules,
  quantityUnit,
  versionAt,
} from './meter.js';
export { type MeterDefinition, meterChangeProblem, meterProblem } from './meter-problem.js';
export { readMeterRules, writeMeterRules } from './meter-rules.js';
export { ACTIONS, type LoggedEvent, type SentData, type SentEvent } from './usage-event.js';
export { ACCEPTED_AGE_MS, FUTURE_TOLERANCE_MS, RESERVED_SOURCE, acceptEvent, loggedEvent } from './accept-event.js';
export { type Hold, type Rejection } from './rejection.js';
export { contentMarks } from './content-marks.js';
export { type EventContent, canonicalContent, contentOf, differingFields } from './content.js';
export { MOST_BATCH_EVENTS, type UsageBatch } from './usage-batch.js';
export { readBatch } from './read-batch.js';
export { eventAt, packEvents } from './batch-events.js';
export { type ItemVerdict, type KnownNames, judgeBatch } from './judge-batch.js';
export { Contributions } from './contributions.js';
export {
  type CellDelta,
  type ListeningMeter,
  type PointDelta,
  type Touched,
  type ValueDelta,
} from './contribution-rows.js';
export { type Point, type PointKind, type Receipt, compareReceipts } from './points.js';
export { passesFilters, readSeries, seriesOf } from './series.js';
export { levelIntegralOf } from './level-integral.js';
export { type Duration, type DurationFlag, durationOf, lookBackMs } from './duration.js';
export { latestOf } from './latest.js';
export { type QuantityParts, measuredQuantity, quantityOf } from './quantity.js';
