export { type DataOf, EVENT_KINDS, EVENT_TYPES, eventKind, type EventType, isEventType } from './event-types.js';
export { type Announcement, bodyOf, requireTrueToType, type WebhookEvent } from './announcement.js';
export { GIVEN_UP_AFTER_MS, MOST_ATTEMPTS, nextAttempt, type Spread } from './retry-schedule.js';
export { afterAttempt, attemptsAtOnce, type Breaker, SOUND } from './breaker.js';
export { type DeliveryVerdict, verdictOn } from './verdict.js';
export { type PostAnswer, WebhookPost } from './webhook-post.js';
export { messageHeaders, OLD_SECRET_MS, SECRET_PREFIX, signedText } from './signature.js';
