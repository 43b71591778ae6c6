import { captureByVoucher } from '@core/ledger';
import { amount, erc20Asset } from '@core/money';
import { BATCH_CONTRACTS, type Hex } from '@core/x402';
import { Ledger } from '@features/ledger';
import { ChannelVerifier, EvmChannelChain } from '@platform/chain';
import { SystemIds } from '@platform/system';
import { ChannelPayer, finalizeWithdraw, initiateWithdraw } from '../../../../../test/support/channel-payer.js';
import type { OpenChannel } from '../../../../../test/support/channel-scene.js';
import { NoCrash } from '../../../../../test/support/interrupt.js';
import { relayerKey, SettlementScene } from '../../../../../test/support/settlement-scene.js';
import { until } from '../../../../../test/support/until.js';
import { CHAIN_ID } from '../../../../../tools/servers/chain.mjs';
import { MULTICALL3_ADDRESS, USDC_ADDRESS } from '../../../../../tools/servers/usdc.mjs';
import { settlementCommands } from '../settlement-commands.js';

const ASSET = erc20Asset(CHAIN_ID, USDC_ADDRESS);
const TOKEN: Hex = `0x${USDC_ADDRESS.slice(2).toLowerCase()}`;
const FEES = { maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 10n ** 9n };

describe('claims of channels, on a real chain and PostgreSQL', () => {
  let scene: SettlementScene;
  let chain: EvmChannelChain;
  let verifier: ChannelVerifier;
  let funding: EvmChannelChain;

  beforeEach(async () => {
    scene = await SettlementScene.build({ mining: false, finality: 3 });
    const settings = {
      rpcUrl: scene.chain.url,
      chainId: CHAIN_ID,
      multicall: MULTICALL3_ADDRESS,
      contracts: BATCH_CONTRACTS,
      authorizerKey: relayerKey(7),
      finality: 3,
    };
    chain = await EvmChannelChain.create({ ...settings, relayerKeys: scene.relayerKeys });
    // Deposits come from elsewhere: a key that settlement knows nothing of.
    funding = await EvmChannelChain.create({ ...settings, relayerKeys: [relayerKey(5)] });
    verifier = await ChannelVerifier.create(CHAIN_ID, BATCH_CONTRACTS);
  });

  afterEach(() => scene.close());

  const commands = (terms = { minValue: 1n, maxAgeMs: 3_600_000 }) => {
    const made = settlementCommands({
      db: scene.writer,
      rail: scene.rail,
      ledger: new Ledger(),
      ids: new SystemIds(),
      crash: new NoCrash(),
      terms: scene.terms,
      channels: { chain, terms },
    });
    if (!made.channels) throw new Error('channels were given');
    return { confirm: made.confirm, ...made.channels };
  };

  /** A channel that holds 100,000, was charged so much, and is kept as the gate keeps it. */
  const charged = async (charge: bigint): Promise<OpenChannel & { readonly row: string }> => {
    const payer = new ChannelPayer(verifier);
    await scene.usdc.mint(payer.address, 100_000n);
    const [payTo] = scene.payees;
    const [provider] = scene.providers;
    if (!payTo || !provider) throw new Error('the scene has a provider');
    const config = payer.config({ receiver: payTo, receiverAuthorizer: chain.authorizer, token: TOKEN });
    const id = verifier.channelId(config);
    const deposit = await payer.deposit(config, 100_000n, (await scene.rail.view()).head.timestamp + 600n);
    const signer: Hex = `0x${new ChannelPayer(verifier, relayerKey(5)).address.slice(2)}`;
    const nonce = await scene.rail.nextNonce(signer, 'latest');
    const sent = await funding.sign({ signer, nonce, moves: [{ kind: 'deposit', config, deposit }], fees: FEES });
    await scene.rail.broadcast(sent.raw);
    await scene.mine(4);
    const voucher = await payer.voucher(config, charge);
    const row = new SystemIds().next('chn');
    await scene.owner.query(
      `INSERT INTO channels (id, provider_id, account_id, chain_id, network, asset_id, channel_id, payer, payer_authorizer, receiver,
         receiver_authorizer, token, withdraw_delay, salt, charged, signed_max, signature, balance, unclaimed_since)
       VALUES ($1, $2, $3, $4, 'eip155:84532', $5, decode($6, 'hex'), $7, $7, $8, $9, $10, 900, decode($11, 'hex'), $12, $12, decode($13, 'hex'),
         100000, now())`,
      [
        row,
        provider.id,
        provider.account,
        CHAIN_ID,
        ASSET,
        id.slice(2),
        payer.address,
        payTo,
        chain.authorizer,
        TOKEN,
        config.salt.slice(2),
        charge,
        voucher.signature.slice(2),
      ],
    );
    await scene.writer.transaction((tx) =>
      new Ledger().post(
        tx,
        captureByVoucher({
          provider: provider.id,
          account: provider.account,
          payment: new SystemIds().next('vch'),
          charged: amount(ASSET, charge),
          meter: 'calls',
        }),
      ),
    );
    return { payer, config, id, row };
  };

  const standing = async (row: string) => {
    const { rows } = await scene.owner.query<{ total_claimed: string; claimed_final: string; lost: string }>(
      'SELECT total_claimed::text, claimed_final::text, lost::text FROM channels WHERE id = $1',
      [row],
    );
    return rows[0];
  };

  const round = async (): Promise<string[]> => {
    const { claim, watch, confirm } = commands();
    await scene.hurry();
    const alarms = [await watch.run({ chainId: CHAIN_ID }), await claim.run({ chainId: CHAIN_ID })].flatMap(
      (seen) => seen.alarms,
    );
    return [...alarms, ...(await confirm.run({ chainId: CHAIN_ID })).alarms];
  };

  const untilFinal = (rows: readonly string[], claimed: string): Promise<unknown> =>
    until(
      'the claims to be final',
      async () => (await Promise.all(rows.map(standing))).every((row) => row?.claimed_final === claimed),
      async () => {
        await round();
        await scene.mine();
      },
    );

  it('claims many channels in one transaction, though two workers run at once, and pays the payee', async () => {
    const channels = [await charged(30_000n), await charged(30_000n), await charged(30_000n)];
    const [one, other] = [commands(), commands()];
    await one.watch.run({ chainId: CHAIN_ID });
    const sent = await Promise.all([one.claim.run({ chainId: CHAIN_ID }), other.claim.run({ chainId: CHAIN_ID })]);
    expect(sent.reduce((sum, { transactions }) => sum + transactions, 0)).toBe(1);
    await untilFinal(
      channels.map(({ row }) => row),
      '30000',
    );
    expect(await scene.usdc.balance(scene.payees[0] ?? '0x')).toBe(90_000n);
    const { ledger, chain: onChain } = await scene.books();
    expect(ledger).toEqual(onChain);
    expect(await scene.transactions()).toHaveLength(1);
  }, 60_000);

  it('waits until a claim is worth its gas, or old', async () => {
    const { row } = await charged(30_000n);
    const patient = commands({ minValue: 30_001n, maxAgeMs: 3_600_000 });
    await patient.watch.run({ chainId: CHAIN_ID });
    expect((await patient.claim.run({ chainId: CHAIN_ID })).transactions).toBe(0);
    await scene.owner.query("UPDATE channels SET unclaimed_since = now() - interval '2 h' WHERE id = $1", [row]);
    expect((await patient.claim.run({ chainId: CHAIN_ID })).transactions).toBe(1);
  }, 60_000);

  it('follows the chain when the block of a claim goes away, and posts it once', async () => {
    const { row } = await charged(30_000n);
    await round();
    await scene.mine();
    await round();
    expect(await standing(row)).toMatchObject({ total_claimed: '30000', claimed_final: '0' });
    await scene.rpc('anvil_reorg', 1, []);
    // The transaction of the lost block may be back in the pool or not: either way it ends up on the chain once.
    await commands().watch.run({ chainId: CHAIN_ID });
    expect(await standing(row)).toMatchObject({ total_claimed: '0', claimed_final: '0' });
    await untilFinal([row], '30000');
    const { ledger, chain: onChain } = await scene.books();
    expect(ledger).toEqual(onChain);
    const { rows } = await scene.owner.query("SELECT FROM transfers WHERE posting_key LIKE 'claim:%'");
    expect(rows).toHaveLength(1);
  }, 60_000);

  it('writes off what a payer took out before it could be claimed', async () => {
    const { row, payer, config } = await charged(30_000n);
    await payer.fundGas(scene.chain.url);
    await initiateWithdraw(scene.chain.url, payer, config, 80_000n);
    await scene.pass(901);
    await finalizeWithdraw(scene.chain.url, payer, config);
    await scene.mine(4);
    await untilFinal([row], '20000');
    await round();
    expect(await standing(row)).toMatchObject({ claimed_final: '20000', lost: '10000' });
    const { ledger, chain: onChain, badDebt } = await scene.books();
    expect(ledger).toEqual(onChain);
    expect(badDebt).toBe(10_000n);
  }, 60_000);
});
