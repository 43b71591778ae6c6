import { createServer, type Server } from 'node:http';
import { Clock, instant, type Instant } from '@core/time';
import type { Hex } from '@core/x402';
import { mnemonicToAccount } from 'viem/accounts';
import { type Chain, CHAIN_ID, startChain, TEST_MNEMONIC } from '../../../../tools/servers/chain.mjs';
import { rpc } from '../../../../tools/servers/rpc.mjs';
import { type LocalUsdc, MULTICALL3_ADDRESS, placeUsdc, USDC_ADDRESS } from '../../../../tools/servers/usdc.mjs';
import { Payer } from '../../../../test/support/payer.js';
import { UsdcRail, UsdcReader, UsdcRegistry } from './index.js';

class HeldClock extends Clock {
  at = 1_000_000;
  now(): Instant {
    return instant(this.at);
  }
}

const token: Hex = `0x${USDC_ADDRESS.slice(2).toLowerCase()}`;
const payTo: Hex = '0x1111111111111111111111111111111111111111';
const nonceOf = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`;

describe('USDC on a chain', () => {
  let chain: Chain;
  let usdc: LocalUsdc;
  let clock: HeldClock;
  let reader: UsdcReader;

  beforeAll(async () => {
    chain = await startChain();
    usdc = await placeUsdc(chain.url);
  });

  afterAll(() => chain.stop());

  beforeEach(() => {
    clock = new HeldClock();
    reader = new UsdcReader({ rpcUrl: chain.url, multicall: MULTICALL3_ADDRESS, pollMs: 1_000 }, clock);
  });

  const stateOf = async (payer: Hex, to = payTo, nonce = nonceOf(1)) =>
    (await reader.payerState([{ token, payer, payTo: to, nonce }]))[0];

  describe('what the gate reads', () => {
    it('tells the payers of one look apart', async () => {
      const payers = Array.from({ length: 150 }, () => new Payer());
      for (const [i, payer] of payers.slice(0, 5).entries()) await usdc.mint(payer.address, BigInt(i + 1));
      const states = await Promise.all(payers.map((payer) => stateOf(payer.address)));
      expect(states.map((state) => state?.balance)).toEqual(payers.map((_, i) => (i < 5 ? BigInt(i + 1) : 0n)));
      expect(
        states.every((state) => state && !state.nonceUsed && !state.blocked && !state.paused && !state.hasCode),
      ).toBe(true);
    });

    it('sees a used nonce, a blocked payer, a blocked payee, a pause and a contract', async () => {
      const payer = new Payer();
      await usdc.mint(payer.address, 10n);
      const rail = new UsdcRail({
        rpcUrl: chain.url,
        chainId: CHAIN_ID,
        multicall: MULTICALL3_ADDRESS,
        relayerKeys: [relayer],
        finality: 1,
      });
      const { head } = await rail.view();
      const signed = await payer.authorize({
        to: payTo,
        value: 4n,
        validBefore: head.timestamp + 100n,
        nonce: nonceOf(7),
      });
      const [signer] = rail.signers;
      const fees = { maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 10n ** 9n };
      const item = { token, payer: payer.address, payTo, ...signed };
      const sent = await rail.sign({
        signer: signer ?? '0x',
        nonce: await rail.nextNonce(signer ?? '0x', 'latest'),
        items: [item],
        fees,
      });
      expect(await rail.broadcast(sent.raw)).toEqual({ kind: 'accepted' });
      while ((await rail.receipts([sent.hash]))[0] === undefined) await rpc(chain.url, 'evm_mine');
      expect(await stateOf(payer.address, payTo, nonceOf(7))).toMatchObject({ nonceUsed: true, balance: 6n });
      expect(await stateOf(payer.address, payTo, nonceOf(8))).toMatchObject({ nonceUsed: false });

      const blocked = new Payer().address;
      await usdc.call('blacklist', [blocked]);
      expect(await stateOf(blocked)).toMatchObject({ blocked: true });
      expect(await stateOf(new Payer().address, blocked)).toMatchObject({ blocked: true });
      await usdc.call('pause');
      expect(await stateOf(payer.address)).toMatchObject({ paused: true });
      await usdc.call('unpause');
      expect(await stateOf(token)).toMatchObject({ hasCode: true });
    });

    it('keeps the head for the poll interval, then renews it, and never shows one twice as old', async () => {
      const first = await reader.head();
      await rpc(chain.url, 'evm_mine');
      clock.at += 999;
      expect((await reader.head()).number).toBe(first.number);
      clock.at += 1_001;
      expect((await reader.head()).number).toBe(first.number + 1n);
    });

    it('is unavailable without a chain, and says nothing else', async () => {
      const away = new UsdcReader(
        { rpcUrl: 'http://127.0.0.1:1', multicall: MULTICALL3_ADDRESS, pollMs: 1_000 },
        clock,
      );
      await expect(away.head()).rejects.toMatchObject({ code: 'unavailable' });
      await expect(away.payerState([{ token, payer: payTo, payTo, nonce: nonceOf(1) }])).rejects.toMatchObject({
        code: 'unavailable',
      });
    });

    it.each([
      [200, '<html>'],
      [502, '{}'],
      [429, '{"error":"slow down"}'],
      [200, '{"jsonrpc":"2.0","id":1}'],
      [200, '{"jsonrpc":"2.0","id":1,"result":"0x"}'],
      [200, '{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"header not found"}}'],
    ])('is unavailable when the node answers %i %s', async (status, body) => {
      const server: Server = createServer((_, response) => void response.writeHead(status).end(body));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const address = server.address();
      const url = typeof address === 'object' && address ? `http://127.0.0.1:${address.port}` : '';
      try {
        const confused = new UsdcReader({ rpcUrl: url, multicall: MULTICALL3_ADDRESS, pollMs: 1_000 }, clock);
        await expect(confused.payerState([{ token, payer: payTo, payTo, nonce: nonceOf(1) }])).rejects.toMatchObject({
          code: 'unavailable',
        });
      } finally {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    });
  });

  describe('the registry', () => {
    it('takes USDC only after the chain has shown its domain and decimals', async () => {
      const registry = await UsdcRegistry.create({ rpcUrl: chain.url, chainId: CHAIN_ID });
      expect(registry.payable()).toEqual([]);
      expect(await registry.check()).toEqual({ on: true });
      expect(registry.payable()).toMatchObject([
        { network: 'eip155:84532', networkV1: 'base-sepolia', symbol: 'USDC', displayAddress: USDC_ADDRESS },
      ]);
    });

    it('turns off what is not USDC, what signs for another domain, and a node of another chain', async () => {
      const nothing = await UsdcRegistry.create({ rpcUrl: chain.url, chainId: CHAIN_ID, usdcAddress: payTo });
      expect(await nothing.check()).toMatchObject({ on: false });
      const elsewhere = await UsdcRegistry.create({ rpcUrl: chain.url, chainId: 8453 });
      expect(await elsewhere.check()).toMatchObject({ on: false, reason: 'the node is on another chain' });
      expect([nothing.payable(), elsewhere.payable()]).toEqual([[], []]);
    });

    it('keeps its standing when the chain cannot be asked, and names what is missing on an unknown chain', async () => {
      const away = await UsdcRegistry.create({ rpcUrl: 'http://127.0.0.1:1', chainId: CHAIN_ID });
      await expect(away.check()).rejects.toMatchObject({ code: 'unavailable' });
      expect(away.payable()).toEqual([]);
      await expect(UsdcRegistry.create({ rpcUrl: chain.url, chainId: 31337 })).rejects.toThrow('USDC_ADDRESS');
    });
  });
});

const relayer: Hex = `0x${Buffer.from(mnemonicToAccount(TEST_MNEMONIC, { addressIndex: 1 }).getHdKey().privateKey ?? []).toString('hex')}`;
