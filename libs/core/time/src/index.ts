export { Clock } from './clock.js';
export { type Instant, instant, addMs, epochSeconds, formatInstant, parseInstant } from './instant.js';
export { type Period, overlap, monthOf, windowOf, windowsOf, type WindowSize, parsePeriod } from './period.js';
export { type BillingPeriod, type ZonedWindowSize, isZone, zonedPeriodOf, zonedWindowsOf } from './zone.js';
