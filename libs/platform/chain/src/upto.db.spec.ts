import { checkCeiling } from '@core/payments';
import { evidenceIn } from '@core/settlement';
import { type Hex, UPTO_CONTRACTS, type UptoAuthorization } from '@core/x402';
import { type Chain, CHAIN_ID, startChain } from '../../../../tools/servers/chain.mjs';
import { placeChannels } from '../../../../tools/servers/channels.mjs';
import { rpc } from '../../../../tools/servers/rpc.mjs';
import { type LocalUsdc, MULTICALL3_ADDRESS, placeUsdc } from '../../../../tools/servers/usdc.mjs';
import { Dice } from '../../../../test/model/dice.js';
import { relayerKey } from '../../../../test/support/settlement-scene.js';
import {
  highSignature,
  otherSignature,
  shortSignature,
  zeroBasedSignature,
} from '../../../../test/support/signature-forms.js';
import { until } from '../../../../test/support/until.js';
import { settleData, settleVerdict, UptoPayer } from '../../../../test/support/upto-payer.js';
import { Permit2UptoVerifier, UptoReader, UsdcRail } from './index.js';
import { settleWholeData } from './upto-calls.js';

const PAYEE: Hex = '0x1111111111111111111111111111111111111111';
const STRANGER: Hex = '0x2222222222222222222222222222222222222222';
const FEES = { maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 10n ** 9n };
const VARIANTS = 300;

describe('ceilings on a chain', () => {
  let chain: Chain;
  let usdc: LocalUsdc;
  let rail: UsdcRail;
  let reader: UptoReader;
  let verifier: Permit2UptoVerifier;
  let facilitator: Hex;

  beforeAll(async () => {
    chain = await startChain();
    [usdc] = await Promise.all([placeUsdc(chain.url), placeChannels(chain.url)]);
    const settings = { rpcUrl: chain.url, multicall: MULTICALL3_ADDRESS };
    rail = new UsdcRail({ ...settings, chainId: CHAIN_ID, relayerKeys: [relayerKey(1), relayerKey(2)], finality: 0 });
    reader = new UptoReader(settings);
    verifier = await Permit2UptoVerifier.create(CHAIN_ID);
    facilitator = rail.signers[0] ?? '0x';
  });
  afterAll(() => chain.stop());

  const now = async (): Promise<bigint> => (await rail.view()).head.timestamp;
  const funded = async (funds = 1_000_000n): Promise<UptoPayer> => {
    const payer = new UptoPayer();
    await usdc.mint(payer.address, funds);
    return payer;
  };
  const ready = async (): Promise<UptoPayer> => {
    const payer = await funded();
    await payer.approve(chain.url);
    return payer;
  };
  const ceiling = async (payer: UptoPayer, change: Partial<UptoAuthorization> = {}) =>
    payer.ceiling({ to: PAYEE, amount: 50_000n, deadline: (await now()) + 600n, facilitator, ...change });
  const itemOf = (authorization: UptoAuthorization, value: bigint) => ({
    token: authorization.token,
    payer: authorization.from,
    payTo: authorization.to,
    nonce: `0x${'77'.repeat(32)}` as const,
    value,
    validAfter: authorization.validAfter,
    validBefore: authorization.deadline,
    signature: authorization.signature,
    ceiling: { nonce: authorization.nonce, facilitator: authorization.facilitator, permitted: authorization.amount },
  });

  it('the contract’s domain is the genuine one', async () => {
    const separator = await rpc(chain.url, 'eth_call', { to: UPTO_CONTRACTS.permit2, data: '0x3644e515' }, 'latest');
    expect(separator).toBe('0x010f27a92fb9a32622f44f001dc4d15706a85b33499cfc2ce9033113ab26592c');
  });

  it('is settled for less than its ceiling, once, by the key it names alone', async () => {
    const payer = await ready();
    const signed = await ceiling(payer);
    expect(verifier.signed(signed)).toBe(true);
    expect(settleWholeData(signed)).toBe(settleData(signed, 50_000n));
    expect(await settleVerdict(chain.url, signed, 50_001n)).toBe('AmountExceedsPermitted');
    expect(await settleVerdict(chain.url, signed, 1n, STRANGER)).toBe('UnauthorizedFacilitator');
    const item = itemOf(signed, 12_345n);
    expect(await rail.simulate([item])).toEqual({ kind: 'verdicts', passes: [true] });
    const nonce = await rail.nextNonce(facilitator, 'latest');
    const sent = await rail.sign({ signer: facilitator, nonce, items: [item], fees: FEES });
    const dearer = await rail.resign(facilitator, sent.raw, { ...FEES, maxFeePerGas: 2n * FEES.maxFeePerGas });
    expect(await rail.broadcast(dearer.raw)).toEqual({ kind: 'accepted' });
    const receipt = await until('the transaction to be mined', async () => (await rail.receipts([dearer.hash]))[0]);
    expect(receipt.gasUsed < rail.ceilingGasLimit).toBe(true);
    expect(evidenceIn(receipt)(item).kind).toBe('paid');
    expect(evidenceIn(receipt)({ ...item, value: 12_346n }).kind).toBe('otherwise');
    expect(evidenceIn({ ...receipt, sender: STRANGER })(item).kind).toBe('absent');
    expect(await usdc.balance(payer.address)).toBe(987_655n);
    expect(
      await rail.usedAt(
        [item, { ...item, ceiling: { ...item.ceiling, nonce: signed.nonce ^ 1n } }],
        receipt.block.number,
      ),
    ).toEqual([true, false]);
    expect(await rail.findEnd(item, 0n)).toMatchObject({ kind: 'used', receipt: { hash: dearer.hash } });
    const unused = { ...item, ceiling: { ...item.ceiling, nonce: signed.nonce ^ 1n } };
    await expect(rail.findEnd(unused, 0n)).rejects.toMatchObject({ code: 'unavailable' });
    await payer.invalidate(chain.url, unused.ceiling.nonce);
    expect(await rail.findEnd(unused, 0n)).toBeUndefined();
    expect(await settleVerdict(chain.url, signed, 1n)).toBe('InvalidNonce');
    expect(await reader.state(signed)).toMatchObject({ nonceUsed: true, passes: false });
    expect(await rail.simulate([item])).toMatchObject({ kind: 'refused' });
    await expect(rail.sign({ signer: rail.signers[1] ?? '0x', nonce: 0n, items: [item], fees: FEES })).rejects.toThrow(
      'the key it names',
    );
  });

  it('says what is missing', async () => {
    const payer = await funded(10_000n);
    const signed = await ceiling(payer);
    const fine = { nonceUsed: false, blocked: false, paused: false, hasCode: false, deployed: true };
    expect(await reader.state(signed)).toEqual({ ...fine, balance: 10_000n, allowance: 0n, passes: false });
    await payer.approve(chain.url, 49_999n);
    await usdc.mint(payer.address, 90_000n);
    expect(await reader.state(signed)).toEqual({ ...fine, balance: 100_000n, allowance: 49_999n, passes: false });
    await payer.approve(chain.url, 50_000n);
    expect(await reader.state(signed)).toEqual({ ...fine, balance: 100_000n, allowance: 50_000n, passes: true });
    await payer.invalidate(chain.url, signed.nonce);
    expect(await reader.state(signed)).toMatchObject({ nonceUsed: true, passes: false });
  });

  it('takes nothing that the contract would refuse, and refuses no more than it says', async () => {
    const dice = new Dice(20261121);
    const payer = await ready();
    const other = await ready();
    const head = await now();
    let taken = 0;
    for (let i = 0; i < VARIANTS; i += 1) {
      const good = await payer.ceiling({ to: PAYEE, amount: 50_000n, deadline: head + 600n, facilitator });
      const again = (change: Partial<UptoAuthorization>) => payer.ceiling({ ...good, ...change });
      const variant = await dice.of<() => UptoAuthorization | Promise<UptoAuthorization>>([
        () => good,
        () => again({ nonce: BigInt(dice.of(['0', '1', '255', '256', '257'])) + (BigInt(i) << 16n) }),
        () => again({ amount: dice.of([1n, 49_999n, 50_001n, 1_000_001n]) }),
        () => again({ deadline: head + dice.of([-1n, 0n, 1n, 29n, 30n, 31n, 359n, 361n, 10_000n]) }),
        () => again({ validAfter: head + dice.of([-5n, 0n, 1n, 50n]) }),
        () => again({ to: dice.of([STRANGER, facilitator]) }),
        () => again({ facilitator: dice.of([STRANGER, rail.signers[1] ?? STRANGER]) }),
        () => again({ spender: STRANGER }),
        () => again({ token: STRANGER }),
        () => payer.ceiling({ ...good, chainId: 8453 }),
        () => ({ ...good, from: other.address }),
        () => ({ ...good, amount: good.amount - 1n }),
        () => ({ ...good, nonce: good.nonce ^ 1n }),
        () => ({ ...good, to: STRANGER }),
        () => ({ ...good, signature: `0x${zeroBasedSignature(good.signature).slice(2)}` as const }),
        () => ({ ...good, signature: `0x${highSignature(good.signature).slice(2)}` as const }),
        () => ({ ...good, signature: `0x${shortSignature(good.signature).slice(2)}` as const }),
        () => ({ ...good, signature: `0x${otherSignature(good.signature, dice).slice(2)}` as const }),
        () => ({ ...good, signature: `${good.signature}00` as const }),
      ])();
      const terms = {
        payTo: PAYEE,
        amount: 50_000n,
        asset: good.token,
        facilitators: rail.signers,
        maxTimeoutSeconds: 300,
      };
      const checked = checkCeiling(variant, terms, Number(head), 'facilitator');
      const ours = checked.ok && verifier.signed(variant) && (await reader.state(variant)).passes;
      const theirs = await settleVerdict(chain.url, { ...variant, spender: UPTO_CONTRACTS.proxy }, variant.amount);
      if (ours) {
        taken += 1;
        expect(theirs).toBe('passes');
      } else if (theirs === 'passes') {
        // What the contract would let through and we do not: another offer, a margin of time, or a second spelling.
        const why = checked.ok ? 'invalid_permit2_signature' : checked.reason;
        expect([
          'invalid_permit2_recipient_mismatch',
          'upto_facilitator_mismatch',
          'permit2_deadline_expired',
          'permit2_amount_mismatch',
          'invalid_permit2_signature',
        ]).toContain(why);
      }
    }
    expect(taken).toBeGreaterThan(20);
    expect(taken).toBeLessThan(VARIANTS / 2);
  });
});
