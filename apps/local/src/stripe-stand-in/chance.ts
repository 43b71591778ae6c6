/** Seeded chance, so that a run with faults can be had again (the mulberry32 generator, in the public domain). */
export class Chance {
  private state: number;

  constructor(seed: string) {
    this.state = 0x9e3779b9;
    for (const char of seed) this.state = Math.imul(this.state ^ char.charCodeAt(0), 0x01000193) >>> 0;
  }

  /** From 0 up to, not including, 1. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = this.state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  happens(share: number): boolean {
    return share > 0 && this.next() < share;
  }

  pick<T>(among: readonly T[]): T | undefined {
    return among[Math.floor(this.next() * among.length)];
  }
}
