import type { State } from './state.js';

/**
 * The clock of the LOCAL STAND-IN: real time plus an offset, or held by a test until it is advanced. Milliseconds since
 * 1970; the API speaks seconds.
 */
export class StandInClock {
  constructor(private readonly state: State) {}

  now(): number {
    const { clock } = this.state;
    return 'heldAt' in clock ? clock.heldAt : Date.now() + clock.offsetMs;
  }

  seconds(): number {
    return Math.floor(this.now() / 1000);
  }

  get isHeld(): boolean {
    return 'heldAt' in this.state.clock;
  }

  /** Forward only. */
  moveTo(at: number): void {
    const { clock } = this.state;
    if (at <= this.now()) return;
    if ('heldAt' in clock) clock.heldAt = at;
    else clock.offsetMs = at - Date.now();
  }
}

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** The first midnight (UTC) after a time. */
export function nextMidnight(at: number): number {
  return (Math.floor(at / DAY) + 1) * DAY;
}

/** The same time of day, so many business days (Monday to Friday, UTC) later. Holidays are not known here. */
export function businessDaysLater(at: number, days: number): number {
  let later = at;
  for (let left = days; left > 0;) {
    later += DAY;
    const weekday = new Date(later).getUTCDay();
    if (weekday !== 0 && weekday !== 6) left -= 1;
  }
  return later;
}
