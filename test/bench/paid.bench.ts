// A paid request from its unpaid asking to the content, beside the public middleware and facilitator, which settle inside the
// request. First on chains that mine at once, for throughput; then on chains with a block every two seconds, for waiting.
// PostgreSQL waits for the disk at every commit. Payments are signed outside the measured time, for both sides by the same code.
import type { ReleaseLevel } from '@core/payments';
import { VerifyBooks } from '@features/finance';
import { UsdcRail } from '@platform/chain';
import { Auditor } from '@platform/database';
import { type Chain, startChain } from '../../tools/servers/chain.mjs';
import { rpc } from '../../tools/servers/rpc.mjs';
import { placeUsdc } from '../../tools/servers/usdc.mjs';
import { CostMeter } from './support/costs.js';
import { Farebox, PRICE } from './support/farebox.js';
import { type Ground, startGround } from './support/ground.js';
import { buy, type Bought, signPurchases } from './support/paid-load.js';
import { type Peer, startPeer } from './support/peer.js';
import { median, report, type Row, rowOf, short } from './support/report.js';
import { balances, fund, makeWallets, type Wallet } from './support/wallets.js';

const WALLETS = short ? 150 : 450;
const FUNDS = 1_000_000_000n;
const TARGET = 50;
/** Payee of the public stack: other than ours, so that each has its balance to itself. */
const THEIR_PAYEE = '0x00000000000000000000000000000000000b0b02';
/** How long settlement may take once nothing more is bought. */
const SETTLED_WITHIN_MS = short ? 15_000 : 60_000;

/** Both sides on chains of the same making, with the same wallets. */
interface Scene {
  readonly farebox: Farebox;
  readonly peer: Peer;
  readonly ourChain: Chain;
  readonly theirChain: Chain;
  readonly wallets: readonly Wallet[];
}

async function withScene<T>(
  ground: Ground,
  release: ReleaseLevel,
  blockTime: number | undefined,
  configuration: Readonly<Record<string, string>>,
  worker: boolean,
  run: (scene: Scene) => Promise<T>,
): Promise<T> {
  const options = blockTime === undefined ? {} : { blockTime };
  const [ourChain, theirChain] = [await startChain(options), await startChain(options)];
  const stops: (() => Promise<void>)[] = [() => ourChain.stop(), () => theirChain.stop()];
  try {
    const wallets = makeWallets(WALLETS, `${release} ${worker}`);
    for (const { url } of [ourChain, theirChain]) await fund(url, await placeUsdc(url), wallets, FUNDS);
    const farebox = await Farebox.start({
      ground,
      chainUrl: ourChain.url,
      release,
      worker,
      providers: ['bare'],
      configuration,
    });
    stops.push(() => farebox.stop());
    const peer = await startPeer({ chainUrl: theirChain.url, payTo: THEIR_PAYEE, logs: ground.folder });
    stops.push(() => peer.stop());
    return await run({ farebox, peer, ourChain, theirChain, wallets });
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

/** One round of ours, and the proof that every purchase was claimed, served, charged and kept exactly once. */
async function buyOurs(
  { farebox, ourChain, wallets }: Scene,
  count: number,
  connections: number,
  costs?: CostMeter,
): Promise<Bought> {
  await rpc(ourChain.url, 'evm_mine'); // Authorizations are dated by the newest block.
  const url = farebox.urlOf('bare');
  const purchases = await signPurchases(url, wallets, count);
  const before = await farebox.count('SELECT count(*) FROM payments');
  const buying = () => buy(url, purchases, connections);
  const bought = await (costs ? costs.measure(count, buying) : buying());
  if (bought.served !== count)
    throw new Error(`of ${count} purchases ${bought.served} were served: ${JSON.stringify(bought.refused)}`);
  const known = await farebox.owner.query('SELECT id FROM payments WHERE id = ANY ($1) AND charged = $2', [
    bought.receipts,
    PRICE.toString(),
  ]);
  if (known.rowCount !== count) throw new Error(`${count} receipts were given, ${known.rowCount} payments are charged`);
  const after = before + count;
  for (const [what, sql] of Object.entries({
    claims: 'SELECT count(*) FROM payments',
    'payments served': "SELECT count(*) FROM payments WHERE state NOT IN ('reserved', 'voided', 'failed')",
    'answers kept': 'SELECT count(*) FROM payment_replies',
    'usage events':
      "SELECT coalesce(sum(events - coalesce(cardinality(skip), 0)), 0) FROM usage_log WHERE kind = 'sold'",
  })) {
    const found = await farebox.count(sql);
    if (found !== after) throw new Error(`${after} purchases, but ${found} ${what}`);
  }
  return bought;
}

/** One round of theirs: what was served is on the chain when the content arrives. */
async function buyTheirs({ peer, theirChain, wallets }: Scene, count: number, connections: number): Promise<Bought> {
  await rpc(theirChain.url, 'evm_mine');
  const purchases = await signPurchases(peer.url, wallets, count);
  const [before = 0n] = await balances(theirChain.url, [THEIR_PAYEE]);
  const bought = await buy(peer.url, purchases, connections);
  const [after = 0n] = await balances(theirChain.url, [THEIR_PAYEE]);
  if (bought.served === 0) throw new Error(`the public stack served nothing: ${JSON.stringify(bought.refused)}`);
  if (after - before < BigInt(bought.served) * PRICE) throw new Error('the public stack served what was not paid');
  if (bought.served < count) {
    process.stdout.write(
      `The public stack did not serve ${count - bought.served} of ${count}: ${JSON.stringify(bought.refused)}\n`,
    );
  }
  return bought;
}

/** Waits until everything is final on the chain. @returns whether it was in time */
async function untilSettled({ farebox, ourChain }: Scene, mines: boolean): Promise<boolean> {
  const end = Date.now() + SETTLED_WITHIN_MS;
  while ((await farebox.count("SELECT count(*) FROM payments WHERE state <> 'settled'")) > 0) {
    if (Date.now() > end) return false;
    if (mines) await rpc(ourChain.url, 'evm_mine');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return true;
}

/** The books hold, and once all is settled the chain says the same: to the payee, and from every wallet. */
async function prove(scene: Scene, settled: boolean): Promise<void> {
  const { farebox, ourChain, wallets } = scene;
  const { DATABASE_AUDIT_URL, CHAIN_RPC_URL, CHAIN_ID, MULTICALL_ADDRESS, CHAIN_FINALITY } = farebox.config;
  const auditor = new Auditor(DATABASE_AUDIT_URL ?? '');
  try {
    const rail = new UsdcRail({
      rpcUrl: CHAIN_RPC_URL,
      chainId: CHAIN_ID,
      multicall: MULTICALL_ADDRESS,
      relayerKeys: farebox.config.RELAYER_KEYS ?? [],
      finality: CHAIN_FINALITY,
    });
    const faults = (await new VerifyBooks(auditor, [rail]).run()).flatMap(({ invariant, faults: found }) =>
      found.map((fault) => `${invariant}: ${fault}`),
    );
    if (faults.length > 0) throw new Error(`the books do not hold:\n${faults.join('\n')}`);
  } finally {
    await auditor.close();
  }
  const charged = BigInt(await farebox.count('SELECT coalesce(sum(charged), 0) FROM payments'));
  const payments = BigInt(await farebox.count('SELECT count(*) FROM payments'));
  if (charged !== payments * PRICE) throw new Error(`${payments} payments, ${charged} charged`);
  if (!settled) {
    if (!short) throw new Error(`not all was settled within ${SETTLED_WITHIN_MS} ms`);
    process.stdout.write('Not all was settled in the time of the short form.\n');
    return;
  }
  const [received = 0n, ...left] = await balances(ourChain.url, [
    farebox.payTo,
    ...wallets.map(({ address }) => address),
  ]);
  const spent = left.reduce((sum, balance) => sum + FUNDS - balance, 0n);
  if (received !== charged || spent !== charged)
    throw new Error(`charged ${charged}, received ${received}, spent ${spent}`);
}

/** Throughput and waiting where content leaves once the claim is on disk. */
const atOnce = {
  // A chain that mines at once has no new block while nothing is sent to it, and is not stale for that. Nobody waits for the
  // transfers, so they are gathered for a second.
  configuration: { CHAIN_STALE_SECONDS: '3600', SETTLE_WINDOW_MS: '1000' },
  rounds: short ? 2 : 5,
  // Many at once for throughput, few for waiting.
  many: { connections: 128, warm: short ? 1_500 : 3_000, ours: short ? 1_500 : 3_000, theirs: short ? 64 : 300 },
  few: { connections: 8, ours: short ? 100 : 600, theirs: short ? 16 : 60 },
};

const referenceName = '@x402/express + facilitator, settling inside';
const pathAtOnce = (connections: number, how: string): string =>
  `paid exact request, ${connections} connections, instant chain, release: authorized, ${how}`;

/**
 * A burst: what is bought is claimed, served and charged while it is bought, and sent to the chain after it, when the worker is
 * started. All of it is settled before the next one.
 */
async function measureBurst(scene: Scene): Promise<Row[]> {
  const { rounds, many } = atOnce;
  const { farebox } = scene;
  const costs = await CostMeter.of(farebox, scene.ourChain);
  const speed = { ours: new Array<number>(), reference: new Array<number>() };
  await buyOurs(scene, many.warm, many.connections);
  await buyTheirs(scene, atOnce.few.theirs, atOnce.few.connections);
  let settled = true;
  for (let round = 0; round < rounds; round += 1) {
    speed.ours.push((await buyOurs(scene, many.ours, many.connections, costs)).perSecond);
    await farebox.startWorker();
    settled = await untilSettled(scene, true);
    await farebox.stopWorker();
    speed.reference.push((await buyTheirs(scene, many.theirs, many.connections)).perSecond);
  }
  await prove(scene, settled);
  process.stdout.write(`CPU µs a purchase in a burst: ${costs.text}\n`);
  const path = pathAtOnce(many.connections, 'a burst, settled after it');
  return [rowOf({ path, unit: 'purchases/s', referenceName, target: TARGET, ...speed })];
}

/** For as long as one likes: settlement goes on beside what is bought, on the same processors. */
async function measureSustained(scene: Scene): Promise<Row[]> {
  const { rounds, many, few } = atOnce;
  const costs = await CostMeter.of(scene.farebox, scene.ourChain);
  const speed = { ours: new Array<number>(), reference: new Array<number>() };
  const wait = { ours: new Array<number>(), reference: new Array<number>() };
  await buyOurs(scene, many.warm, many.connections);
  await buyTheirs(scene, few.theirs, few.connections);
  let settled = true;
  for (let round = 0; round < rounds; round += 1) {
    for (const { load, meter, take } of [
      {
        load: many,
        meter: costs,
        take: (bought: Bought, side: keyof typeof speed) => speed[side].push(bought.perSecond),
      },
      { load: few, meter: undefined, take: (bought: Bought, side: keyof typeof wait) => wait[side].push(bought.p50) },
    ]) {
      take(await buyOurs(scene, load.ours, load.connections, meter), 'ours');
      settled = await untilSettled(scene, true); // So that it does not go on at the cost of the other side.
      take(await buyTheirs(scene, load.theirs, load.connections), 'reference');
    }
  }
  await prove(scene, settled);
  process.stdout.write(`CPU µs a purchase with settlement beside it: ${costs.text}\n`);
  const how = 'settling beside it';
  const waiting = {
    path: pathAtOnce(few.connections, how),
    unit: 'ms p50',
    referenceName,
    lessIsBetter: true,
    ...wait,
  };
  return [
    rowOf({
      path: pathAtOnce(many.connections, how),
      unit: 'purchases/s',
      referenceName,
      target: TARGET,
      ...speed,
    }),
    rowOf({ ...waiting, target: ratioFor(50, median(wait.reference)) }),
  ];
}

/** Waiting where content leaves once the transfer is broadcast, on a chain whose blocks take their time. */
async function measureWithBlocks(scene: Scene): Promise<Row[]> {
  const [rounds, count, theirCount, connections] = short ? [1, 320, 32, 32] : [3, 1_500, 96, 32];
  const wait = { ours: new Array<number>(), reference: new Array<number>() };
  await buyOurs(scene, count / 4, connections);
  let settled = true;
  for (let round = 0; round < rounds; round += 1) {
    wait.ours.push((await buyOurs(scene, count, connections)).p50);
    settled = await untilSettled(scene, false);
    wait.reference.push((await buyTheirs(scene, theirCount, connections)).p50);
  }
  await prove(scene, settled);
  return [
    rowOf({
      path: `paid exact request, ${connections} connections, 2 s blocks, release: submitted`,
      unit: 'ms p50',
      referenceName: '@x402/express + facilitator, which waits for the block',
      lessIsBetter: true,
      target: ratioFor(400, median(wait.reference)),
      ...wait,
    }),
  ];
}

const ground = await startGround();
try {
  const { configuration } = atOnce;
  const rows = await withScene(ground, 'authorized', undefined, configuration, false, measureBurst);
  rows.push(...(await withScene(ground, 'authorized', undefined, configuration, true, measureSustained)));
  rows.push(...(await withScene(ground, 'submitted', 2, {}, true, measureWithBlocks)));
  report('paid', rows);
} finally {
  await ground.stop();
}

/** Where what is asked for is a time and no ratio: the ratio it comes to beside the reference of this run. */
function ratioFor(aim: number, reference: number): number {
  return Math.round((aim / reference) * 1_000) / 1_000;
}
