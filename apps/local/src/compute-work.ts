import { pbkdf2 } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';

const derive = promisify(pbkdf2);

/** Some milliseconds of work, so that the end is met closely. */
const ITERATIONS = 5_000;

/** Keeps one core at work, beside the event loop, for so many seconds; returns how many rounds that were. */
export async function workFor(seconds: number): Promise<number> {
  const end = performance.now() + seconds * 1000;
  let rounds = 0;
  for (let input = Buffer.from('farebox'); performance.now() < end; rounds += 1) {
    input = await derive(input, 'salt', ITERATIONS, 32, 'sha256');
  }
  return rounds;
}
