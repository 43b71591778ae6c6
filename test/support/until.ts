const aMoment = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 25));

/**
 * Polls until a look shows something: anything but `undefined` and `false`, which it answers with. `between` is done before
 * every further look. Throws with `what` when the time is up.
 */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  between: () => Promise<unknown> = aMoment,
  deadlineMs = 30_000,
): Promise<T> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (Date.now() > end) throw new Error(`waited ${deadlineMs} ms for: ${what}`);
    await between();
  }
}
