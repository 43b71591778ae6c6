import type { ChainReader } from '@core/settlement';
import { erc20Asset } from '@core/money';
import { Clock, instant } from '@core/time';
import { UPTO_CONTRACTS, type Hex, type UptoAuthorization, uptoAuthorizationOf, uptoPayloadOf } from '@core/x402';
import { Permit2UptoVerifier, UptoReader, UsdcReader } from '@platform/chain';
import type { PaymentPayload, PaymentRequirements } from '@x402/core/types';
import {
  toFacilitatorEvmSigner,
  x402UptoPermit2ProxyABI,
  x402UptoPermit2ProxyAddress,
  PERMIT2_ADDRESS,
} from '@x402/evm';
import { UptoEvmScheme as Paying } from '@x402/evm/upto/client';
import { UptoEvmScheme as Settling } from '@x402/evm/upto/facilitator';
import { createWalletClient, http, publicActions, toFunctionSelector, toHex } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { baseSepolia } from 'viem/chains';
import { CheckCeiling } from '@features/payments';
import { compiledContracts } from '../../tools/contracts.mjs';
import { rpc } from '../../tools/servers/rpc.mjs';
import { connectUsdc, MULTICALL3_ADDRESS } from '../../tools/servers/usdc.mjs';
import { USDC_ADDRESS, USDC_DOMAIN } from '../support/payer.js';
import { highSignature, zeroBasedSignature } from '../support/signature-forms.js';
import { UptoPayer } from '../support/upto-payer.js';

const NETWORK = 'eip155:84532';
const PAYEE: Hex = '0x1111111111111111111111111111111111111111';
const STRANGER: Hex = '0x2222222222222222222222222222222222222222';
const url = process.env['TEST_CHAIN_URL'] ?? '';
const lower = (text: string): Hex => `0x${text.slice(2).toLowerCase()}`;
const account = privateKeyToAccount(generatePrivateKey());
const FACILITATOR = lower(account.address);

class Now extends Clock {
  now() {
    return instant(Date.now());
  }
}

/** The public facilitator, as its users run it. */
function settling(): Settling {
  const client = createWalletClient({ account, chain: baseSepolia, transport: http(url), pollingInterval: 20 }).extend(
    publicActions,
  );
  return new Settling(
    toFacilitatorEvmSigner({
      address: account.address,
      getCode: (asked) => client.getCode(asked),
      readContract: (asked) => client.readContract({ ...asked, args: asked.args ?? [], account }),
      verifyTypedData: (asked) => client.verifyTypedData(asked as Parameters<typeof client.verifyTypedData>[0]),
      writeContract: (asked) => client.writeContract({ ...asked, args: asked.args ?? [] }),
      sendTransaction: (asked) => client.sendTransaction(asked),
      waitForTransactionReceipt: (asked) => client.waitForTransactionReceipt({ ...asked, pollingInterval: 20 }),
    }),
  );
}

const ASSET = {
  id: erc20Asset(84532, USDC_ADDRESS),
  network: NETWORK,
  domain: USDC_DOMAIN,
  displayAddress: USDC_ADDRESS,
  symbol: 'USDC',
  decimals: 6,
};

const offered = (change: Partial<PaymentRequirements> = {}): PaymentRequirements => ({
  scheme: 'upto',
  network: NETWORK,
  amount: '50000',
  asset: USDC_ADDRESS,
  payTo: PAYEE,
  maxTimeoutSeconds: 300,
  extra: { name: 'USDC', version: '2', assetTransferMethod: 'permit2', facilitatorAddress: account.address },
  ...change,
});

const paymentOf = (authorization: UptoAuthorization): PaymentPayload => ({
  x402Version: 2,
  accepted: offered(),
  payload: uptoPayloadOf(authorization),
});

describe('ceilings of ours and of the public packages', () => {
  const theirs = settling();
  const usdc = connectUsdc(url);
  let ours: CheckCeiling;
  let verifier: Permit2UptoVerifier;

  beforeAll(async () => {
    await rpc(url, 'anvil_setBalance', account.address, toHex(10n ** 19n));
    verifier = await Permit2UptoVerifier.create(84532);
    const clock = new Now();
    const chain: ChainReader = new UsdcReader({ rpcUrl: url, multicall: MULTICALL3_ADDRESS, pollMs: 50 }, clock);
    const reader = new UptoReader({ rpcUrl: url, multicall: MULTICALL3_ADDRESS });
    ours = new CheckCeiling({ reader, verifier }, chain, clock, 1e9);
  });

  const ready = async (funds = 1_000_000n): Promise<UptoPayer> => {
    const payer = new UptoPayer();
    await usdc.mint(payer.address, funds);
    await payer.approve(url);
    return payer;
  };

  const seconds = async (): Promise<bigint> => {
    await rpc(url, 'evm_mine');
    const block: unknown = await rpc(url, 'eth_getBlockByNumber', 'latest', false);
    if (typeof block !== 'object' || block === null || !('timestamp' in block)) throw new Error('no block');
    return BigInt(String(block.timestamp));
  };

  const ourReason = async (authorization: UptoAuthorization): Promise<string> => {
    const presentation = { asset: ASSET, payTo: PAYEE, amount: 50_000n, origin: 'facilitator' } as const;
    const checked = await ours.run({ presentation, authorization, facilitators: [FACILITATOR] });
    return checked.outcome === 'refused' ? checked.reason : 'valid';
  };
  const theirReason = async (authorization: UptoAuthorization): Promise<string> => {
    const verdict = await theirs.verify(paymentOf(authorization), offered());
    return verdict.isValid ? 'valid' : (verdict.invalidReason ?? 'invalid');
  };

  it('addresses and functions are those the packages call', async () => {
    expect([lower(PERMIT2_ADDRESS), lower(x402UptoPermit2ProxyAddress)]).toEqual([
      UPTO_CONTRACTS.permit2,
      UPTO_CONTRACTS.proxy,
    ]);
    const { UptoPermit2Proxy } = await compiledContracts();
    interface Member {
      readonly type: string;
      readonly name: string;
      readonly inputs: readonly unknown[];
      readonly stateMutability?: string;
    }
    const members = (abi: readonly unknown[]): string[] =>
      (abi as readonly Member[])
        .map((member) =>
          member.type === 'function'
            ? `function ${toFunctionSelector(member as Parameters<typeof toFunctionSelector>[0])} ${member.stateMutability}`
            : `${member.type} ${member.name} ${member.inputs.length}`,
        )
        .sort();
    expect(members(UptoPermit2Proxy?.abi ?? [])).toEqual(members(x402UptoPermit2ProxyABI));
  });

  it('what the public client signs is taken by us', async () => {
    const payer = await ready();
    const made = await new Paying(payer.account).createPaymentPayload(2, offered());
    const read = uptoAuthorizationOf({ payload: made.payload });
    if (!read.ok) throw new Error(read.message);
    expect(verifier.signed(read.authorization)).toBe(true);
    expect(read.authorization).toMatchObject({ from: payer.address, facilitator: FACILITATOR, amount: 50_000n });
    // The client signs by its own clock, and other tests may have moved the chain's.
    const reason = await ourReason(read.authorization);
    expect(['valid', 'permit2_deadline_expired']).toContain(reason);
  });

  it('the public facilitator settles on our contracts what we would, once', async () => {
    const payer = await ready();
    const clock = BigInt(Math.floor(Date.now() / 1000));
    const head = await seconds();
    const deadline = (head > clock ? head : clock) + 600n;
    const signed = await payer.ceiling({ to: PAYEE, amount: 50_000n, deadline, facilitator: FACILITATOR });
    expect([await ourReason(signed), await theirReason(signed)]).toEqual(['valid', 'valid']);
    const before = await usdc.balance(PAYEE);
    const settled = await theirs.settle(paymentOf(signed), offered({ amount: '777' }));
    expect(settled).toMatchObject({ success: true, amount: '777' });
    expect((await usdc.balance(PAYEE)) - before).toBe(777n);
    expect(await ourReason(signed)).toBe('permit2_invalid_nonce');
    expect(await theirs.settle(paymentOf(signed), offered({ amount: '777' }))).toMatchObject({ success: false });
  });

  it('what is wrong with a ceiling has the same name', async () => {
    const clock = BigInt(Math.floor(Date.now() / 1000));
    const head = await seconds();
    const late = (head > clock ? head : clock) + 600n;
    const payer = await ready();
    const poor = await ready(10n);
    const unready = new UptoPayer();
    await usdc.mint(unready.address, 1_000_000n);
    const terms = { to: PAYEE, amount: 50_000n, deadline: late, facilitator: FACILITATOR };
    const good = await payer.ceiling(terms);
    const cases: Record<string, UptoAuthorization> = {
      permit2_insufficient_balance: await poor.ceiling(terms),
      permit2_allowance_required: await unready.ceiling(terms),
      invalid_permit2_spender: await payer.ceiling({ ...terms, spender: STRANGER }),
      invalid_permit2_recipient_mismatch: await payer.ceiling({ ...terms, to: STRANGER }),
      upto_facilitator_mismatch: await payer.ceiling({ ...terms, facilitator: STRANGER }),
      permit2_deadline_expired: await payer.ceiling({ ...terms, deadline: (head < clock ? head : clock) - 1n }),
      permit2_not_yet_valid: await payer.ceiling({ ...terms, validAfter: late }),
      permit2_amount_mismatch: await payer.ceiling({ ...terms, amount: 49_999n }),
      permit2_token_mismatch: await payer.ceiling({ ...terms, token: STRANGER }),
      invalid_permit2_signature: { ...good, nonce: good.nonce ^ 1n },
    };
    for (const [reason, authorization] of Object.entries(cases)) {
      expect([reason, await ourReason(authorization), await theirReason(authorization)]).toEqual([
        reason,
        reason,
        reason,
      ]);
    }
    // Two things wrong: the first in order is named.
    const both = await payer.ceiling({ ...terms, to: STRANGER, amount: 1n });
    expect([await ourReason(both), await theirReason(both)]).toEqual(
      Array(2).fill('invalid_permit2_recipient_mismatch'),
    );
    // A signature has one spelling with us.
    for (const spell of [highSignature, zeroBasedSignature]) {
      expect(await ourReason({ ...good, signature: lower(spell(good.signature)) })).toBe('invalid_permit2_signature');
    }
  });
});
