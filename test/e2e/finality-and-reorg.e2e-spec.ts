import fc from 'fast-check';
import { verifyBooks } from '../support/books.js';
import { SettlementScene } from '../support/settlement-scene.js';

// A block that holds a payment may go away. The payment follows what the chain holds, and the ledger is the chain's to the unit
// once all is final. Blocks come only when a story says so.

describe('finality and reorganisation', () => {
  let scene: SettlementScene;

  beforeEach(async () => {
    scene = await SettlementScene.build({ mining: false, finality: 6 });
    await scene.mine(10);
  });

  afterEach(() => scene.close());

  const round = async () => {
    await scene.hurry();
    return scene.round();
  };

  const rawOf = async (index = 0): Promise<string> => {
    const { rows } = await scene.owner.query<{ raw: Buffer }>('SELECT raw FROM chain_candidates ORDER BY created_at');
    return `0x${rows[index]?.raw.toString('hex')}`;
  };

  const ledgerIsChain = async () => {
    const { ledger, chain, inTransit } = await scene.books();
    expect(ledger).toEqual(chain);
    expect(inTransit).toBe(0n);
    const findings = await verifyBooks(scene.db.auditUrl, scene.rail);
    expect(findings.flatMap(({ faults }) => faults)).toEqual([]);
  };

  /** Payers whose funds are in blocks no story takes away. */
  const funded = async (count: number, funds?: bigint) => {
    const payers = [];
    for (let i = 0; i < count; i += 1) payers.push(await scene.payer(funds));
    await scene.mine(scene.finality);
    return payers;
  };

  const payerOf = async () => {
    const [payer] = await funded(1);
    if (!payer) throw new Error('no payer');
    return payer;
  };

  const included = async (payments = 3) => {
    const served = [];
    for (const payer of await funded(payments)) served.push(await scene.serve(payer));
    await round();
    await scene.mine();
    await round();
    expect(await scene.states()).toEqual({ included: payments });
    return served;
  };

  it('nothing is settled before its block is final', async () => {
    await included();
    for (let depth = 1; depth < scene.finality; depth += 1) {
      await scene.mine();
      await round();
      expect(await scene.states()).toEqual({ included: 3 });
    }
    await scene.mine();
    await round();
    expect(await scene.states()).toEqual({ settled: 3 });
    await ledgerIsChain();
  });

  it('a block goes away and takes our transaction with it: the same bytes are sent again', async () => {
    await included();
    const [before] = await scene.transactions();
    await scene.mine(2);
    await scene.rpc('anvil_reorg', 4, []);
    await round();
    expect(await scene.states()).toEqual({ settling: 3 });
    expect(await scene.transactions()).toMatchObject([{ state: 'broadcast', hash: before?.hash, candidates: 1 }]);
    await scene.untilDone(true);
    expect(await scene.states()).toEqual({ settled: 3 });
    expect(await scene.transactions()).toMatchObject([{ state: 'final', hash: before?.hash, candidates: 1 }]);
    await ledgerIsChain();
  });

  it('a block goes away and another one holds the same transaction: the payments follow it', async () => {
    const [first] = await included();
    await scene.mine(2);
    const blockOf = async () =>
      (
        await scene.owner.query<{ hash: Buffer | null }>('SELECT block_hash AS hash FROM payments WHERE id = $1', [
          first?.id,
        ])
      ).rows[0]?.hash;
    const before = await blockOf();
    await scene.rpc('anvil_reorg', 4, [[await rawOf(), 1]]);
    await round();
    await round();
    expect(await scene.states()).toEqual({ included: 3 });
    expect(await blockOf()).not.toEqual(before);
    await scene.untilDone(true);
    expect(await scene.states()).toEqual({ settled: 3 });
    await ledgerIsChain();
  });

  it('somebody else carries a payment, and that goes away again: ours carries it', async () => {
    const { id, authorization } = await scene.serve(await payerOf());
    const theirs = await scene.relay(authorization);
    await scene.mine();
    await round();
    expect(await scene.payment(id)).toMatchObject({ state: 'included', transaction: theirs });
    await scene.rpc('anvil_reorg', 2, []);
    await scene.rpc('anvil_dropTransaction', theirs);
    await scene.untilDone(true);
    const settled = await scene.payment(id);
    expect(settled.state).toBe('settled');
    await ledgerIsChain();
  });

  it('a payer cancels after the reorganisation: the payment fails by proof, not before it', async () => {
    const payer = await payerOf();
    const { id, authorization } = await scene.serve(payer);
    await round();
    await scene.mine();
    await round();
    const [ours] = await scene.transactions();
    await scene.rpc('anvil_reorg', 1, []);
    await scene.rpc('anvil_dropTransaction', `0x${ours?.hash.toString('hex')}`);
    await scene.cancel(payer, authorization.nonce);
    await scene.mine();
    await round();
    expect((await scene.payment(id)).state).toBe('settling');
    await scene.untilDone(true);
    expect(await scene.payment(id)).toMatchObject({ state: 'failed', failure: { kind: 'canceled' } });
    await ledgerIsChain();
  });

  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('serve' as const), value: fc.bigInt(1n, 9_999n) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('round' as const) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('mine' as const), blocks: fc.integer({ min: 1, max: 3 }) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('reorg' as const),
        depth: fc.integer({ min: 1, max: 5 }),
        keep: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('relay' as const), which: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), which: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('drop' as const) }) },
  );

  it('verification asks the chain: a payment shown as failed that was paid, and one settled by a transfer that is not there', async () => {
    await included(1);
    await scene.untilDone(true);
    await ledgerIsChain();
    const broken = async () =>
      (await verifyBooks(scene.db.auditUrl, scene.rail))
        .filter(({ says }) => says.startsWith('on chain'))
        .flatMap(({ faults }) => faults);
    await scene.owner.query('ALTER TABLE payments DISABLE TRIGGER legal_transition');
    await scene.owner.query("UPDATE payments SET state = 'failed', failed_at = now(), failure = '{}'");
    expect(await broken()).toEqual([expect.stringMatching(/is shown as failed, but 0x[0-9a-f]{64} pays it/)]);
    await scene.owner.query("UPDATE payments SET state = 'settled', transaction = decode(repeat('ab', 32), 'hex')");
    expect(await broken()).toEqual([expect.stringMatching(/is settled by 0x(ab){32}, which the chain does not have/)]);
  });

  it('whatever happens in whatever order, the ledger is the chain in the end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 20 }), async (steps) => {
        const [payer] = await funded(1, 10_000_000n);
        if (!payer) throw new Error('no payer');
        const open: Awaited<ReturnType<typeof scene.serve>>[] = [];
        for (const taken of steps) {
          if (taken.do === 'serve') open.push(await scene.serve(payer, { value: taken.value }));
          else if (taken.do === 'round') await round();
          else if (taken.do === 'mine') await scene.mine(taken.blocks);
          else if (taken.do === 'drop') await scene.rpc('anvil_dropAllTransactions');
          else if (taken.do === 'reorg') {
            const raw = taken.keep ? await rawOf(0).catch(() => undefined) : undefined;
            // Bytes whose nonce is used by then cannot be put into the new blocks: then without them.
            await scene
              .rpc('anvil_reorg', taken.depth, raw === undefined || raw === '0xundefined' ? [] : [[raw, 0]])
              .catch(() => scene.rpc('anvil_reorg', taken.depth, []));
          } else {
            const target = open[taken.which % Math.max(open.length, 1)];
            if (target && taken.do === 'relay') await scene.relay(target.authorization);
            if (target && taken.do === 'cancel') await scene.cancel(payer, target.authorization.nonce);
          }
        }
        // The steps before must not be undone any more: what is final by now stays so.
        await scene.untilDone(true, 60_000);
        await ledgerIsChain();
      }),
      { numRuns: 6, endOnFailure: true },
    );
  }, 240_000);
});
