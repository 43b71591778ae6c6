import { Clock, instant, type Instant } from '@core/time';

/** The machine's own clock. */
export class SystemClock extends Clock {
  now(): Instant {
    return instant(Date.now());
  }
}
