export { AGGREGATIONS, type Aggregation, type Meter, meterProblem, quantityUnit } from './meter.js';
export {
  ACCEPTED_AGE_MS,
  type AcceptedEvent,
  type Acceptance,
  FUTURE_TOLERANCE_MS,
  type Rejection,
  type RejectionReason,
  RESERVED_SOURCE,
  type SentData,
  type SentEvent,
  acceptEvent,
  nameProblem,
} from './accept-event.js';
export { type EventContent, canonicalContent, contentOf, differingFields } from './content.js';
export { type Level, levelIntegral } from './level-integral.js';
