import { Fault } from '@core/faults';
import { BoundedCommit, type CommitLimits } from './bounded-commit.js';

const LIMITS: CommitLimits = { mostCalls: 4, mostBytes: 100, togetherCalls: 3, togetherBytes: 50, lanes: 1 };

/** Writes that end when they are told to. */
function controlled(limits: Partial<CommitLimits> = {}) {
  const written: { items: readonly string[]; end: (error?: Error) => void }[] = [];
  const commit = new BoundedCommit<string, string>(
    (items) =>
      new Promise((resolve, reject) =>
        written.push({ items, end: (error) => (error ? reject(error) : resolve(items.map((item) => `${item}!`))) }),
      ),
    { ...LIMITS, ...limits },
  );
  const turn = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
  return { written, commit, turn };
}

describe('BoundedCommit', () => {
  it('writes together what arrives while the last transaction is under way, within its bounds', async () => {
    const { written, commit, turn } = controlled();
    const first = commit.add('a', 1);
    await turn();
    const rest = ['b', 'c', 'd', 'e', 'f'].map((item) => commit.add(item, item === 'f' ? 49 : 1));
    expect(written.map(({ items }) => items)).toEqual([['a']]);
    written[0]?.end();
    await turn();
    expect(written[1]?.items).toEqual(['b', 'c', 'd']);
    written[1]?.end();
    await turn();
    written[2]?.end();
    expect(await Promise.all([first, ...rest])).toEqual(['a!', 'b!', 'c!', 'd!', 'e!', 'f!']);
    expect(written[2]?.items).toEqual(['e', 'f']);
  });

  it('writes an item larger than a whole transaction by itself', async () => {
    const { written, commit, turn } = controlled();
    const both = Promise.all([commit.add('a', 1), commit.add('large', 99)]);
    await turn();
    written[0]?.end();
    await turn();
    written[1]?.end();
    expect([await both, written.map(({ items }) => items)]).toEqual([
      ['a!', 'large!'],
      [['a'], ['large']],
    ]);
  });

  it('refuses more calls or bytes than may be under way, and takes more when some have ended', async () => {
    const { commit } = controlled();
    let end = (): void => undefined;
    const held = commit.admit(60, () => new Promise<string>((resolve) => (end = () => resolve('kept'))));
    const refused = await commit.admit(60, async () => 'no').catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Fault);
    expect(refused).toMatchObject({ code: 'too_many_requests', reason: 'ingest_saturated', retryAfterSeconds: 1 });
    expect(await commit.admit(40, async () => 'small')).toBe('small');
    end();
    expect(await held).toBe('kept');
    expect(await commit.admit(500, async () => 'a large one alone')).toBe('a large one alone');
  });

  it('fails only the call that cannot be written, and all when the database cannot be reached', async () => {
    const commit = new BoundedCommit<string, string>(async (items) => {
      if (items.includes('gone')) throw new Fault('unavailable', 'gone');
      if (items.includes('bad')) throw new Error('bad');
      return items;
    }, LIMITS);
    const settled = await Promise.allSettled(['a', 'bad', 'b'].map((item) => commit.add(item, 1)));
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    const gone = await Promise.allSettled(['a', 'gone'].map((item) => commit.add(item, 1)));
    expect(gone.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });
});
