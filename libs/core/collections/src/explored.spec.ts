import { after, START, type World } from './explored-world.js';
import { type AttemptStanding, isOpenAttempt, nextStep, type Step } from './index.js';

/** What is wrong with a world, if anything. */
function faultOf({ intents, attempts }: World): string | undefined {
  if (intents.filter(({ status }) => status === 'succeeded').length > 1) return 'two successes for one statement';
  if (attempts.filter(({ state }) => isOpenAttempt(state)).length > 1) return 'two open attempts';
  for (const { state, intent } of attempts) {
    const status = intent === undefined ? undefined : intents[intent]?.status;
    if (state === 'succeeded' && status !== 'succeeded') return 'a success nobody made';
    if (state === 'failed' && status !== 'canceled') return 'failed without a cancelled intent';
    if (state === 'abandoned' && status !== undefined && status !== 'canceled')
      return 'abandoned what may still be paid';
  }
  return undefined;
}

/** Breadth first through every interleaving, so a fault is found by its shortest way. */
function explore(
  depth: number,
  decide?: (standing: AttemptStanding) => Step,
): { fault: string | undefined; worlds: number; ended: Set<string> } {
  const seen = new Set<string>([JSON.stringify(START)]);
  const ended = new Set<string>();
  let edge: World[] = [START];
  for (let i = 0; i < depth && edge.length > 0; i += 1) {
    const next: World[] = [];
    for (const world of edge) {
      for (const one of after(world, decide)) {
        const text = JSON.stringify(one);
        if (seen.has(text)) continue;
        seen.add(text);
        const fault = faultOf(one);
        if (fault !== undefined) return { fault, worlds: seen.size, ended };
        ended.add(one.attempts.map(({ state }) => state).join(' then '));
        next.push(one);
      }
    }
    edge = next;
  }
  return { fault: undefined, worlds: seen.size, ended };
}

describe('two workers, lost replies, kills at every step, holders and time', () => {
  it('never lead to two successes, nor to a failure without proof', () => {
    const { fault, worlds, ended } = explore(15);
    expect(fault).toBeUndefined();
    expect(worlds).toBeGreaterThan(10_000);
    expect([...ended]).toEqual(
      expect.arrayContaining([
        'succeeded',
        'processing',
        'requires_action',
        'failed then prepared',
        'abandoned then prepared',
      ]),
    );
  });

  it('would be seen to: silence that is taken for a failure leads to a second charge', () => {
    const hasty = (standing: AttemptStanding): Step =>
      standing.state === 'created' && standing.confirmAgeMs !== undefined ? 'abandon' : nextStep(standing);
    expect(explore(15, hasty).fault).toBeDefined();
  });

  it('would be seen to: a refusal that is not cancelled can be paid after all', () => {
    const lenient = (standing: AttemptStanding): Step =>
      standing.state === 'refused' && standing.verdict !== undefined ? 'abandon' : nextStep(standing);
    expect(explore(15, lenient).fault).toBeDefined();
  });
});
