import type { Instant } from './instant.js';

/** Where the time comes from. Bound to the system's clock in the apps and held by the tests. */
export abstract class Clock {
  abstract now(): Instant;
}
