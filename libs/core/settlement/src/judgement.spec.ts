import fc from 'fast-check';
import { judge, type Observed } from './judgement.js';
import type { AuthorizationEnd, AuthorizedTransfer, TokenEvent } from './rail.js';

const item: AuthorizedTransfer = {
  token: '0x01',
  payer: '0x02',
  payTo: '0x03',
  nonce: '0x04',
  value: 5n,
  validAfter: 0n,
  validBefore: 1_000n,
  signature: '0x',
};

/** Any state of affairs: a head, a final block at or below it, what the token says, and how the authorization ended. */
const observed: fc.Arbitrary<Observed> = fc
  .record({
    finalized: fc.bigInt(1n, 50n),
    ahead: fc.bigInt(0n, 20n),
    finalizedTime: fc.bigInt(900n, 1_100n),
    aheadTime: fc.bigInt(0n, 100n),
    usedAtHead: fc.boolean(),
    usedAtFinalized: fc.boolean(),
    end: fc.option(
      fc.record({
        kind: fc.constantFrom('used' as const, 'canceled' as const),
        pays: fc.boolean(),
        number: fc.bigInt(1n, 70n),
      }),
    ),
  })
  .map(({ finalized, ahead, finalizedTime, aheadTime, usedAtHead, usedAtFinalized, end }) => ({
    view: {
      head: { number: finalized + ahead, hash: '0xaa', timestamp: finalizedTime + aheadTime },
      finalized: { number: finalized, hash: '0xbb', timestamp: finalizedTime },
    },
    usedAtHead: usedAtHead || usedAtFinalized || end !== null,
    usedAtFinalized,
    end: end === null ? undefined : endOf(end),
  }));

const endOf = ({
  kind,
  pays,
  number,
}: {
  kind: 'used' | 'canceled';
  pays: boolean;
  number: bigint;
}): AuthorizationEnd => {
  const events: TokenEvent[] = [
    { kind, token: item.token, payer: item.payer, nonce: item.nonce, logIndex: 0 },
    {
      kind: 'transfer',
      token: item.token,
      from: item.payer,
      to: pays ? item.payTo : '0x09',
      value: item.value,
      logIndex: 1,
    },
  ];
  return {
    kind,
    receipt: {
      hash: '0xcc',
      success: true,
      block: { number, hash: '0xdd' },
      gasUsed: 1n,
      gasPrice: 1n,
      dataFee: 0n,
      events,
    },
  };
};

describe('the judgement of an authorization that nothing of ours carries', () => {
  it('fails only by what a final block proves', () => {
    fc.assert(
      fc.property(observed, (seen) => {
        const verdict = judge(item, seen);
        if (verdict.kind !== 'failed') return;
        const { proof } = verdict;
        expect(proof.block.number).toBeLessThanOrEqual(seen.view.finalized.number);
        if (proof.kind === 'expired_unused') {
          expect(seen.usedAtFinalized || seen.usedAtHead).toBe(false);
          expect(seen.view.finalized.timestamp).toBeGreaterThan(item.validBefore);
        } else {
          expect(seen.end).toBeDefined();
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('takes the right payment as paid, whoever carried it and however new its block is', () => {
    fc.assert(
      fc.property(observed, (seen) => {
        const { end } = seen;
        const pays =
          end?.kind === 'used' &&
          end.receipt.events.some((event) => event.kind === 'transfer' && event.to === item.payTo);
        expect(judge(item, seen).kind === 'included').toBe(pays);
      }),
    );
  });

  it('sends again only what is unused and has time left', () => {
    fc.assert(
      fc.property(observed, (seen) => {
        if (judge(item, seen).kind !== 'resubmit') return;
        expect(seen.usedAtHead || seen.usedAtFinalized || seen.end !== undefined).toBe(false);
        expect(seen.view.head.timestamp).toBeLessThan(item.validBefore);
      }),
    );
  });

  it('waits when the token says used and the use is not found: "not found" proves nothing', () => {
    const view = {
      head: { number: 9n, hash: '0xaa', timestamp: 2_000n },
      finalized: { number: 9n, hash: '0xaa', timestamp: 2_000n },
    } as const;
    expect(judge(item, { view, usedAtHead: true, usedAtFinalized: true, end: undefined })).toEqual({ kind: 'wait' });
  });

  it('fails a ceiling whose nonce is used for good and was not settled, and no other one by that', () => {
    const ceiling = { nonce: 7n, facilitator: '0x05', permitted: 9n } as const;
    fc.assert(
      fc.property(observed, (seen) => {
        const judgement = judge({ ...item, ceiling }, seen);
        const isProven = seen.usedAtFinalized && seen.end === undefined;
        const { finalized } = seen.view;
        const block = { number: finalized.number, hash: finalized.hash };
        const proof = { kind: 'used_unpaid', block, permit2Nonce: 7n };
        if (isProven) expect(judgement).toEqual({ kind: 'failed', proof });
        else expect(judgement).not.toMatchObject({ proof: { kind: 'used_unpaid' } });
      }),
    );
  });
});
