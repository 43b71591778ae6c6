import type { EventVerdict } from './contract.js';
import type { QueuedEvent } from './queue.js';

const VERDICTS: readonly string[] = ['accepted', 'duplicate', 'conflict', 'rejected'];

/**
 * The verdicts of an answer, or nothing when it is not an answer to this batch: something between us and Farebox may say 200
 * on its own, and taking that for an acknowledgement would lose usage.
 */
export function readVerdicts(body: string, batch: readonly QueuedEvent[]): readonly EventVerdict[] | undefined {
  const verdicts = verdictList(body);
  if (verdicts?.length !== batch.length) return undefined;
  const fits = batch.every(({ event }, index) => {
    const verdict = verdicts[index];
    return isVerdict(verdict) && verdict.id === event.id && verdict.source === event.source;
  });
  return fits ? verdicts.filter(isVerdict) : undefined;
}

function verdictList(body: string): readonly unknown[] | undefined {
  try {
    const answer: unknown = JSON.parse(body);
    if (typeof answer !== 'object' || answer === null || !('verdicts' in answer)) return undefined;
    return Array.isArray(answer.verdicts) ? answer.verdicts : undefined;
  } catch {
    return undefined;
  }
}

function isVerdict(value: unknown): value is EventVerdict {
  if (typeof value !== 'object' || value === null) return false;
  if (!('id' in value && 'source' in value && 'verdict' in value)) return false;
  return typeof value.verdict === 'string' && VERDICTS.includes(value.verdict);
}
