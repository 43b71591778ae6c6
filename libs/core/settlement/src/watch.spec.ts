import fc from 'fast-check';
import { advanceTransaction, TRANSACTION_STATES } from './transaction-states.js';
import { nextStep, type Sighting, type Watched } from './watch.js';

const hash = fc.constantFrom('0xa1' as const, '0xa2' as const);
const blockHash = fc.constantFrom('0xb1' as const, '0xb2' as const);
const height = fc.bigInt(1n, 20n);
const nonce = fc.bigInt(0n, 3n);

const watched: fc.Arbitrary<Watched> = fc.record({
  state: fc.constantFrom(...TRANSACTION_STATES),
  nonce,
  block: fc.option(fc.record({ number: height, hash: blockHash }), { nil: undefined }),
  fillers: fc.subarray(['0xa2' as const]),
  hash: fc.option(hash, { nil: undefined }),
  candidateAgeMs: fc.nat(60_000),
  sentAgoMs: fc.option(fc.nat(60_000), { nil: undefined }),
});

const sighting: fc.Arbitrary<Sighting> = fc.record({
  head: height,
  finalized: height,
  receipt: fc.option(
    fc.record({ hash, success: fc.boolean(), block: fc.record({ number: height, hash: blockHash }) }),
    { nil: undefined },
  ),
  hashAtBlock: fc.option(blockHash, { nil: undefined }),
  nextNonce: fc.option(fc.record({ latest: nonce, finalized: nonce }), { nil: undefined }),
});

const patience = { resendAfterMs: 5_000, replaceAfterMs: 30_000 };

describe('the next step for a chain transaction', () => {
  it('keeps to the table of states', () => {
    const target = {
      mined: 'mined',
      reverted: 'reverted',
      reopen: 'broadcast',
      final: 'final',
      dropped: 'dropped',
      stolen: 'dropped',
    } as const;
    fc.assert(
      fc.property(watched, sighting, (stored, seen) => {
        const step = nextStep(stored, seen, patience);
        if (step === 'wait' || step === 'send' || step === 'replace') return;
        expect(() => advanceTransaction(stored.state, target[step])).not.toThrow();
      }),
      { numRuns: 2_000 },
    );
  });

  it('ends only by a final block that still holds the transaction, or by a final nonce beyond it', () => {
    fc.assert(
      fc.property(watched, sighting, (stored, seen) => {
        const step = nextStep(stored, seen, patience);
        if (step === 'final' || step === 'dropped') {
          expect(stored.block?.hash).toBe(seen.hashAtBlock);
          expect(stored.block?.number).toBeLessThanOrEqual(seen.finalized);
        }
        if (step === 'stolen') expect(seen.nextNonce?.finalized).toBeGreaterThan(stored.nonce);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is final for what we meant and dropped for a filler', () => {
    const block = { number: 5n, hash: '0xb1' } as const;
    const seen: Sighting = { head: 20n, finalized: 10n, receipt: undefined, hashAtBlock: '0xb1', nextNonce: undefined };
    const mined: Watched = {
      state: 'mined',
      nonce: 0n,
      block,
      fillers: ['0xa2'],
      hash: '0xa1',
      candidateAgeMs: 0,
      sentAgoMs: 0,
    };
    expect(nextStep(mined, seen, patience)).toBe('final');
    expect(nextStep({ ...mined, hash: '0xa2' }, seen, patience)).toBe('dropped');
    expect(nextStep({ ...mined, hash: '0xa1' }, { ...seen, hashAtBlock: '0xb2' }, patience)).toBe('reopen');
  });

  it('raises the fees of nothing but the next transaction in line', () => {
    const waiting: Watched = {
      state: 'broadcast',
      nonce: 2n,
      block: undefined,
      fillers: [],
      hash: '0xa1',
      candidateAgeMs: 40_000,
      sentAgoMs: 100,
    };
    const at = (latest: bigint): Sighting => ({
      head: 9n,
      finalized: 5n,
      receipt: undefined,
      hashAtBlock: undefined,
      nextNonce: { latest, finalized: 0n },
    });
    expect(nextStep(waiting, at(2n), patience)).toBe('replace');
    expect(nextStep(waiting, at(1n), patience)).toBe('wait');
    expect(nextStep({ ...waiting, sentAgoMs: 6_000 }, at(1n), patience)).toBe('send');
    expect(nextStep({ ...waiting, sentAgoMs: undefined }, at(2n), patience)).toBe('send');
  });
});
