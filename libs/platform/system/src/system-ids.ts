import { randomFillSync } from 'node:crypto';
import { v7 } from 'uuid';
import { type IdPrefix, IdSource } from '@core/ids';

const BYTES_PER_ID = 16;
/** Randomness is drawn for this many ids at once: asking the system for each costs more than making the id. */
const IDS_PER_DRAW = 512;

/** Ids from UUID version 7: unique without coordination, and later ones sort later. */
export class SystemIds extends IdSource {
  readonly #pool = new Uint8Array(BYTES_PER_ID * IDS_PER_DRAW);
  #used = this.#pool.length;

  next(prefix: IdPrefix): string {
    if (this.#used === this.#pool.length) {
      randomFillSync(this.#pool);
      this.#used = 0;
    }
    const random = this.#pool.subarray(this.#used, this.#used + BYTES_PER_ID);
    this.#used += BYTES_PER_ID;
    return `${prefix}_${v7({ random }).replaceAll('-', '')}`;
  }
}
