/** Calls `run` once after `ms` milliseconds and returns what calls it off. */
export type Timer = (ms: number, run: () => void) => () => void;

/** Does not keep the process alive: waiting for usage to grow old is no reason to stay. */
export const backgroundTimer: Timer = (ms, run) => {
  const timer: number | { unref?(): void } = setTimeout(run, ms);
  if (typeof timer === 'object') timer.unref?.(); // Timers are plain numbers outside Node.
  return () => clearTimeout(timer as ReturnType<typeof setTimeout>);
};

/** Keeps the process alive: somebody awaits the outcome. */
export const awaitedTimer: Timer = (ms, run) => {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
};
