import type { ChainReader } from '@core/settlement';
import type { Clock } from '@core/time';
import type { ClaimPayment } from '../exact/claim-payment.js';
import type { ClaimedParts } from '../exact/claimed-way.js';
import { AuthorizeCeiling } from './authorize-ceiling.js';
import { CheckCeiling } from './check-ceiling.js';
import type { UptoDoors } from './upto-doors.js';
import { UptoWay } from './upto-way.js';

/** Wires scheme `upto`. */
export function openUpto({
  doors,
  parts,
  claims,
  chain,
  clock,
  staleSeconds,
}: {
  readonly doors: UptoDoors;
  readonly parts: ClaimedParts;
  readonly claims: ClaimPayment;
  readonly chain: ChainReader;
  readonly clock: Clock;
  readonly staleSeconds: number;
}): {
  readonly way: UptoWay;
  readonly check: CheckCeiling;
  readonly authorize: AuthorizeCeiling;
  readonly doors: UptoDoors;
} {
  const check = new CheckCeiling(doors, chain, clock, staleSeconds);
  const authorize = new AuthorizeCeiling(claims, check);
  return { way: new UptoWay(parts, doors, check, authorize, clock), check, authorize, doors };
}
