// A call paid by a voucher of a channel, from its unpaid asking to the content, beside the public middleware, which keeps its channels in
// memory. PostgreSQL waits for the disk at every commit. Vouchers are signed outside the measured time, for both sides by the same code.
import { mnemonicToAccount } from 'viem/accounts';
import { startChain, TEST_MNEMONIC } from '../../tools/servers/chain.mjs';
import { placeChannels } from '../../tools/servers/channels.mjs';
import { placeUsdc } from '../../tools/servers/usdc.mjs';
import { Farebox, PRICE } from './support/farebox.js';
import { type Ground, startGround } from './support/ground.js';
import { freePort } from '../../tools/servers/ports.mjs';
import { startScript } from './support/processes.js';
import { compare, report, type Row, short } from './support/report.js';
import { callAll, VoucherBuyer } from './support/voucher-load.js';
import { fund, makeWallets } from './support/wallets.js';

const ROUNDS = short ? 2 : 5;
const OURS = { buyers: 64, calls: short ? 20 : 100 };
const THEIRS = { buyers: 16, calls: short ? 8 : 20 };
const DEPOSIT = PRICE * 1_000n;
const THEIR_PAYEE = '0x00000000000000000000000000000000000b0b02';

const authorizerKey = (): string => {
  const key = mnemonicToAccount(TEST_MNEMONIC, { addressIndex: 7 }).getHdKey().privateKey;
  return `0x${Buffer.from(key ?? []).toString('hex')}`;
};

async function measure(ground: Ground): Promise<Row[]> {
  const [ourChain, theirChain] = [await startChain({}), await startChain({})];
  const stops: (() => Promise<void>)[] = [() => ourChain.stop(), () => theirChain.stop()];
  try {
    const wallets = makeWallets(OURS.buyers, 'vouchers');
    for (const { url } of [ourChain, theirChain]) {
      await fund(url, await placeUsdc(url), wallets, DEPOSIT);
      await placeChannels(url);
    }
    const farebox = await Farebox.start({
      ground,
      chainUrl: ourChain.url,
      release: 'authorized',
      worker: true,
      providers: ['bare'],
      configuration: {
        CHAIN_STALE_SECONDS: '3600',
        CHAIN_POLL_MS: '200',
        CHANNEL_AUTHORIZER_KEY: authorizerKey(),
      },
    });
    stops.push(() => farebox.stop());
    const port = await freePort();
    const theirUrl = `http://127.0.0.1:${port}`;
    const peer = await startScript({
      name: 'public stack',
      file: 'test/bench/support/peer-channel-server.ts',
      environment: { PORT: String(port), CHAIN_RPC_URL: theirChain.url, PAY_TO: THEIR_PAYEE },
      port,
      logs: ground.folder,
      isReady: async () => (await fetch(`${theirUrl}/hello`)).status === 402,
    });
    stops.push(() => peer.stop());

    const open = async (url: string, count: number): Promise<VoucherBuyer[]> => {
      const buyers: VoucherBuyer[] = [];
      // A few at a time: deposits are no part of what is measured.
      for (let i = 0; i < count; i += 16) {
        const some = wallets.slice(i, Math.min(i + 16, count));
        buyers.push(...(await Promise.all(some.map((wallet) => VoucherBuyer.open(url, wallet, DEPOSIT)))));
      }
      return buyers;
    };
    const ourUrl = farebox.urlOf('bare');
    const ours = await open(ourUrl, OURS.buyers);
    const theirs = await open(theirUrl, THEIRS.buyers);
    const load = async (url: string, buyers: readonly VoucherBuyer[], calls: number): Promise<number> =>
      callAll(url, await Promise.all(buyers.map((buyer) => buyer.calls(calls))));
    await load(ourUrl, ours, 10);
    await load(theirUrl, theirs, 2);
    const row = await compare({
      path: `call paid by a voucher, ${OURS.buyers} channels, one connection each`,
      unit: 'calls/s',
      referenceName: `@x402/express, ${THEIRS.buyers} channels in its memory`,
      target: 10,
      rounds: ROUNDS,
      ours: () => load(ourUrl, ours, OURS.calls),
      reference: () => load(theirUrl, theirs, THEIRS.calls),
    });
    const calls = OURS.buyers * (1 + 10 + ROUNDS * OURS.calls);
    const charged = await farebox.count('SELECT coalesce(sum(charged), 0) FROM channels');
    if (BigInt(charged) !== BigInt(calls) * PRICE) throw new Error(`${calls} calls were charged ${charged}`);
    return [row];
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

const ground = await startGround();
try {
  report('voucher', await measure(ground));
} finally {
  await ground.stop();
}
