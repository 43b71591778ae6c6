import { CrashPoint, type SettlementPlace } from '@core/settlement';

/** Reaches every place and goes on. */
export class NoCrash extends CrashPoint {
  reach(): void {
    // Nothing to do: this process goes on.
  }
}

/** Throws at one place, once: what comes after it is left undone, as after a kill. */
export class Interrupt extends CrashPoint {
  #armed: SettlementPlace | undefined;

  arm(place: SettlementPlace): void {
    this.#armed = place;
  }

  reach(place: SettlementPlace): void {
    if (this.#armed !== place) return;
    this.#armed = undefined;
    throw new Error(`interrupted at ${place}`);
  }
}
