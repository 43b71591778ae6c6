import { DAY } from './clock.js';
import { invalidRequest, keyInUse, otherBodyForKey } from './errors.js';
import type { StoredAnswer } from './state.js';
import type { World } from './world.js';

/** Keys are forgotten after a day of the stand-in's clock. */
const KEPT_MS = DAY;

/** The answer stored for a key, or undefined if the request is to be carried out. Throws if the key stands for another. */
export function replayOf(world: World, key: string, request: string): NonNullable<StoredAnswer['answer']> | undefined {
  if (key.length > 255) throw invalidRequest('Idempotency keys have at most 255 characters.');
  const stored = world.state.answers[key];
  if (stored === undefined || world.clock.now() - stored.at >= KEPT_MS) return undefined;
  if (stored.request !== request) throw otherBodyForKey(key);
  if (stored.answer === null) throw keyInUse(key);
  return stored.answer;
}

export function holdKey(world: World, key: string, request: string): void {
  world.state.answers[key] = { request, at: world.clock.now(), answer: null };
}

/** Keeps the answer for replays, or lets the key go where nothing was begun. */
export function settleKey(world: World, key: string, answer: StoredAnswer['answer']): void {
  const stored = world.state.answers[key];
  if (stored === undefined) return;
  if (answer === null) delete world.state.answers[key];
  else stored.answer = answer;
  world.changed = true;
}

/** Forgets what is older than a day, and what a crash left half done. */
export function forgetOldKeys(world: World, afterCrash = false): void {
  for (const [key, { at, answer }] of Object.entries(world.state.answers)) {
    if (world.clock.now() - at >= KEPT_MS || (afterCrash && answer === null)) delete world.state.answers[key];
  }
}
