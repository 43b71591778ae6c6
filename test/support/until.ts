/** Polls until a condition holds; `between` is done before every further look. */
export async function until(
  what: string,
  holds: () => Promise<boolean>,
  between: () => Promise<unknown> = () => new Promise((resolve) => setTimeout(resolve, 25)),
  deadlineMs = 30_000,
): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited ${deadlineMs} ms for: ${what}`);
    await between();
  }
}
