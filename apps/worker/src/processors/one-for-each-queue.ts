import { QUEUES } from '@platform/queues';

/** Where NestJS keeps the name a class was given by `@Processor`. */
const PROCESSOR = 'bullmq:processor_metadata';

/**
 * Every queue has exactly one processor: a queue without one would fill up in silence, and two would share its jobs.
 * @throws Error that names the queues at fault
 */
export function requireOneForEachQueue(
  processors: readonly (abstract new (...args: never[]) => object)[],
  queues: readonly string[] = QUEUES,
): void {
  const named = processors.map((processor): unknown =>
    Reflect.get(Object(Reflect.getMetadata(PROCESSOR, processor)), 'name'),
  );
  const faults = queues.flatMap((queue) => {
    const count = named.filter((name) => name === queue).length;
    return count === 1 ? [] : [`${queue} has ${count}`];
  });
  const strangers = named.filter((name) => typeof name !== 'string' || !queues.includes(name));
  if (strangers.length > 0) faults.push(`${strangers.map(String).join(', ')} is in no table`);
  if (faults.length > 0) throw new Error(`each queue needs exactly one processor: ${faults.join('; ')}`);
}
