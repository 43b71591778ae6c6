import { performance } from 'node:perf_hooks';

/** Seconds since this process began, so that preparing and building count as well. */
export const elapsedSeconds = (): number => performance.now() / 1000;

/** One line for one step that is done. */
export function report(done: string): void {
  console.log(`${elapsedSeconds().toFixed(1).padStart(6)} s  ${done}`);
}
