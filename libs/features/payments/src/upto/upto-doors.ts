import type { CeilingReader } from '@core/settlement';
import type { Hex, UptoVerifier } from '@core/x402';

/** What ceilings need from the rim, where they can be paid by. */
export interface UptoDoors {
  readonly reader: CeilingReader;
  readonly verifier: UptoVerifier;
  /** Addresses of relayer keys that payers may name, lower case, at least one. A worker has to hold each of these keys. */
  readonly facilitators: readonly [Hex, ...Hex[]];
}
