import { createHash, randomBytes } from 'node:crypto';
import { capturePayment } from '@core/ledger';
import { amount, erc20Asset } from '@core/money';
import type { SettlementPlace } from '@core/settlement';
import type { Hex, UptoAuthorization } from '@core/x402';
import { postings } from '@features/ledger';
import { SystemIds } from '@platform/system';
import { CHAIN_ID } from '../../../../tools/servers/chain.mjs';
import { USDC_ADDRESS } from '../../../../tools/servers/usdc.mjs';
import { Interrupt } from '../../../../test/support/interrupt.js';
import { SettlementScene } from '../../../../test/support/settlement-scene.js';
import { settleData, UptoPayer } from '../../../../test/support/upto-payer.js';
import { NO_FUNDS } from './signers.store.js';

const CEILING = 50_000n;
const ASSET = erc20Asset(CHAIN_ID, USDC_ADDRESS);
const ids = new SystemIds();

describe('ceilings on their way to the chain', () => {
  let scene: SettlementScene;
  let first: Hex;
  let second: Hex;

  beforeEach(async () => {
    scene = await SettlementScene.build({ mining: false });
    const [one, two] = scene.rail.signers;
    if (!one || !two) throw new Error('the scene has two relayer keys');
    [first, second] = [one, two];
  });

  afterEach(() => scene.close());

  const round = async () => {
    await scene.hurry();
    return scene.round();
  };

  const payer = async (): Promise<UptoPayer> => {
    const made = new UptoPayer();
    await scene.usdc.mint(made.address, 1_000_000n);
    await made.approve(scene.chain.url);
    return made;
  };

  /** Claims a truly signed ceiling and captures what was used of it, as the gate does. */
  const serve = async (
    by: UptoPayer,
    charged: bigint,
    { facilitator = first, lifetime = 300n }: { facilitator?: Hex; lifetime?: bigint } = {},
  ): Promise<{ id: string; authorization: UptoAuthorization }> => {
    const [payTo] = scene.payees;
    const provider = scene.providers[0]?.id;
    if (!payTo || !provider) throw new Error('the scene has a provider');
    const deadline = (await scene.headTime()) + lifetime;
    const authorization = await by.ceiling({ to: payTo, amount: CEILING, deadline, facilitator });
    const id = ids.next('pay');
    const item = {
      ...{ ord: 0, id, provider, newAccount: ids.next('acct'), origin: 'gate', network: `eip155:${CHAIN_ID}` },
      ...{ chainId: CHAIN_ID, asset: authorization.token, assetId: ASSET, payer: by.address, payTo },
      nonce: createHash('sha256').update(authorization.nonce.toString()).digest('hex'),
      ...{ amount: CEILING.toString(), validAfter: '0', validBefore: deadline.toString() },
      ...{ signature: authorization.signature.slice(2), binding: randomBytes(32).toString('hex') },
      ...{ resource: 'https://api.example.com/', release: 'submitted', ttlSeconds: 60, balance: '1000000' },
      ...{ facilitator, permit2Nonce: authorization.nonce.toString() },
    };
    const [claimed] = await scene.writer.query<{ outcome: string; account_id: string }>(
      'SELECT * FROM claim_ceilings($1::jsonb, NULL)',
      [JSON.stringify([item])],
    );
    if (claimed?.outcome !== 'claimed') throw new Error(`not claimed: ${claimed?.outcome}`);
    const entry = capturePayment({
      ...{ provider, account: claimed.account_id, payment: id, charged: amount(ASSET, charged), meter: 'calls' },
    });
    const capture = { id, provider, charged: charged.toString(), quantity: '1', transfers: postings([entry]) };
    await scene.writer.query('SELECT * FROM capture_payments($1::jsonb)', [JSON.stringify([capture])]);
    return { id, authorization };
  };

  const kinds = async (): Promise<Record<string, number>> => {
    const { rows } = await scene.owner.query<{ kind: string; n: number }>(
      'SELECT kind, count(*)::int AS n FROM chain_transactions GROUP BY 1',
    );
    return Object.fromEntries(rows.map(({ kind, n }) => [kind, n]));
  };

  const ledgerIsChain = async (): Promise<bigint> => {
    const { ledger, chain, inTransit } = await scene.books();
    expect(ledger).toEqual(chain);
    expect(inTransit).toBe(0n);
    return chain[scene.payees[0] ?? ''] ?? 0n;
  };

  it('each travels alone, from the very key it names, beside what travels together', async () => {
    const mine = await serve(await payer(), 1_111n, { facilitator: first });
    const theirs = await serve(await payer(), CEILING, { facilitator: second });
    await scene.serve(await scene.payer());
    await scene.serve(await scene.payer());
    await scene.untilDone(true);
    expect(await scene.states()).toEqual({ settled: 4 });
    expect(await kinds()).toEqual({ upto: 2, batch: 1 });
    for (const [{ id }, signer] of [[mine, first] as const, [theirs, second] as const]) {
      const { transaction } = await scene.payment(id);
      const sent = (await scene.transactions()).find(({ hash }) => `0x${hash.toString('hex')}` === transaction);
      expect(sent?.signer).toBe(signer);
    }
    expect(await ledgerIsChain()).toBe(1_111n + CEILING + 8_000n);
  });

  it('many of one key are sent once each, whoever works at the same moment', async () => {
    const payers = await Promise.all(Array.from({ length: 3 }, payer));
    for (let i = 0; i < 12; i += 1) await serve(payers[i % 3] ?? (await payer()), 100n + BigInt(i));
    const workers = Array.from({ length: 3 }, (_, i) => scene.commands(undefined, { owner: `worker ${i}` }));
    await Promise.all(workers.map(({ submit }) => submit.run({ chainId: CHAIN_ID })));
    await scene.untilDone(true);
    expect(await scene.states()).toEqual({ settled: 12 });
    const nonces = (await scene.transactions()).map(({ nonce }) => Number(nonce));
    expect(nonces).toEqual(nonces.map((_, i) => i));
    expect(await ledgerIsChain()).toBe(12n * 100n + 66n);
  });

  it('one that is not mined keeps its call when its fees are raised', async () => {
    await serve(await payer(), 4_000n);
    const impatient = scene.commands(undefined, { replaceAfterMs: 0 });
    await scene.round(impatient);
    await scene.hurry();
    await scene.round(impatient);
    expect((await scene.transactions())[0]?.candidates).toBeGreaterThanOrEqual(2);
    await scene.untilDone(true);
    expect(await scene.states()).toEqual({ settled: 1 });
    expect(await ledgerIsChain()).toBe(4_000n);
  });

  it('one whose block goes away is on its way again, and is settled once', async () => {
    const { id } = await serve(await payer(), 4_000n);
    await scene.round();
    await scene.mine();
    await round();
    expect((await scene.payment(id)).state).toBe('included');
    await scene.rpc('anvil_reorg', 1, []);
    await round();
    expect((await scene.payment(id)).state).toBe('settling');
    await scene.untilDone(true);
    expect(await scene.payment(id)).toMatchObject({ state: 'settled' });
    expect(await scene.transactions()).toHaveLength(1);
    expect(await ledgerIsChain()).toBe(4_000n);
  });

  it('one whose nonce is taken back first is failed, and not before that is final', async () => {
    const by = await payer();
    const { id, authorization } = await serve(by, 4_000n);
    await by.invalidate(scene.chain.url, authorization.nonce);
    await round();
    await round();
    expect((await scene.payment(id)).state).toBe('settling');
    await scene.mine(scene.finality);
    await round();
    const proof = { kind: 'used_unpaid', permit2Nonce: authorization.nonce.toString() };
    expect(await scene.payment(id)).toMatchObject({ state: 'failed', failure: proof });
    expect(await scene.transactions()).toEqual([]);
    const { inTransit, badDebt } = await scene.books();
    expect({ inTransit, badDebt }).toEqual({ inTransit: 0n, badDebt: 4_000n });
  });

  it('one that the payer overtakes in the block of our transaction is failed, and the gas is booked', async () => {
    const by = await payer();
    const { id, authorization } = await serve(by, 4_000n);
    await scene.round();
    // What the payer does is in the block first, so that our transaction in it reverts.
    const [sent] = await scene.transactions();
    await scene.rpc('anvil_dropTransaction', `0x${sent?.hash.toString('hex')}`);
    await by.invalidate(scene.chain.url, authorization.nonce);
    await scene.owner.query("UPDATE chain_candidates SET broadcast_at = now() - interval '1 minute'");
    await scene.untilDone(true);
    expect(await scene.payment(id)).toMatchObject({ state: 'failed', failure: { kind: 'used_unpaid' } });
    expect((await scene.transactions()).map(({ state }) => state)).toEqual(['final']);
    await ledgerIsChain();
  });

  it('one that was settled by our key though we no longer know of it is found, and counted as paid', async () => {
    const { id, authorization } = await serve(await payer(), 4_000n);
    await scene.rpc('anvil_impersonateAccount', first);
    const hash = await scene.rpc('eth_sendTransaction', {
      from: first,
      to: authorization.spender,
      data: settleData(authorization, 4_000n),
      gas: '0x493e0',
    });
    await scene.mine();
    await scene.untilDone(true);
    expect(await scene.payment(id)).toMatchObject({ state: 'settled', transaction: hash });
    expect(await scene.transactions()).toEqual([]);
  });

  it('one whose key is paused waits for it while others go, and is failed by proof after its time', async () => {
    await scene.owner.query('UPDATE chain_signers SET paused_reason = $2 WHERE address = $1', [first, 'an operator']);
    const waiting = await serve(await payer(), 4_000n, { lifetime: 60n });
    const going = await serve(await payer(), 5_000n, { facilitator: second });
    await round();
    await scene.mine(1 + scene.finality);
    await round();
    await round();
    expect([(await scene.payment(waiting.id)).state, (await scene.payment(going.id)).state]).toEqual([
      'served',
      'settled',
    ]);
    await scene.pass(100);
    await scene.mine(scene.finality);
    await round();
    await round();
    expect(await scene.payment(waiting.id)).toMatchObject({ state: 'failed', failure: { kind: 'expired_unused' } });
  });

  it('a key that cannot pay for gas is paused, and goes on when it can', async () => {
    await scene.rpc('anvil_setBalance', first, '0x1');
    const { id } = await serve(await payer(), 4_000n);
    expect((await round()).join()).toContain('cannot pay for gas');
    const { rows } = await scene.owner.query<{ address: string }>(
      'SELECT address FROM chain_signers WHERE paused_reason = $1',
      [NO_FUNDS],
    );
    expect(rows).toEqual([{ address: first }]);
    await scene.rpc('anvil_setBalance', first, `0x${(10n ** 21n).toString(16)}`);
    await scene.untilDone(true);
    expect((await scene.payment(id)).state).toBe('settled');
  });

  const places: SettlementPlace[] = [
    'settlement.claimed',
    'settlement.before-sign',
    'settlement.bytes-stored',
    'settlement.broadcast',
    'settlement.receipt-seen',
    'settlement.before-final',
  ];

  it.each(places)('goes on after an interruption at %s, and settles each once', async (place) => {
    await serve(await payer(), 4_000n);
    await serve(await payer(), 5_000n);
    const interrupt = new Interrupt();
    interrupt.arm(place);
    const interrupted = scene.commands(interrupt);
    let done = false;
    for (let i = 0; i < 10 && !done; i += 1) {
      await scene.mine();
      await scene.hurry();
      done = await scene.round(interrupted).then(
        () => false,
        (error: unknown) => String(error).includes(place),
      );
    }
    expect(done).toBe(true);
    await scene.untilDone(true);
    expect(await scene.states()).toEqual({ settled: 2 });
    expect(await scene.transactions()).toHaveLength(2);
    expect(await ledgerIsChain()).toBe(9_000n);
  });
});
