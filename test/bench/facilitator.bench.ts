// POST /x402/verify of one api process, beside the public facilitator behind Express: payments of one making, the same load. Every
// answer has to say that the payment is valid, and both sides have to refuse one that was tampered with.
import { startChain } from '../../tools/servers/chain.mjs';
import { rpc } from '../../tools/servers/rpc.mjs';
import { placeUsdc } from '../../tools/servers/usdc.mjs';
import { CostMeter } from './support/costs.js';
import { Farebox } from './support/farebox.js';
import { startGround } from './support/ground.js';
import { type SignedPayment, signPayments } from './support/paid-load.js';
import { startPeer } from './support/peer.js';
import { cpuSeconds } from './support/processes.js';
import { RawConnection } from './support/raw-client.js';
import { report, rowOf, short } from './support/report.js';
import { fund, makeWallets } from './support/wallets.js';

const [ROUNDS, OURS, THEIRS] = short ? [2, 4_000, 150] : [5, 15_000, 900];
const CONNECTIONS = 64;
const TARGET = 50;

interface Side {
  readonly url: string;
  readonly servers: Parameters<typeof cpuSeconds>[0];
  readonly key: string | undefined;
}

interface Verified {
  readonly perSecond: number;
  readonly perCpuSecond: number;
}

const ground = await startGround();
const chain = await startChain();
try {
  const wallets = makeWallets(100, 'facilitator');
  await fund(chain.url, await placeUsdc(chain.url), wallets, 1_000_000_000n);
  const farebox = await Farebox.start({
    ground,
    chainUrl: chain.url,
    release: 'submitted',
    worker: false,
    providers: [],
    configuration: { CHAIN_STALE_SECONDS: '3600' },
  });
  const peer = await startPeer({ chainUrl: chain.url, payTo: farebox.payTo, logs: ground.folder });
  try {
    await rpc(chain.url, 'evm_mine');
    // No payment is asked about twice: nothing that is remembered of one helps.
    const fresh = (count: number) => signPayments(peer.url, wallets, count);
    const costs = await CostMeter.of(farebox, chain);
    // With a key no limit by address applies; the public one knows neither.
    const ours = { url: `${farebox.url}/x402/verify`, servers: farebox.named('api'), key: farebox.key };
    const theirs = { url: `${peer.url}/verify`, servers: [peer.process], key: undefined };
    const sides = { ours: [] as Verified[], theirs: [] as Verified[] };
    await verify(ours, await fresh(OURS / 2));
    await verify(theirs, await fresh(THEIRS / 2));
    for (let round = 0; round < ROUNDS; round += 1) {
      const payments = await fresh(OURS);
      sides.ours.push(await costs.measure(OURS, () => verify(ours, payments)));
      sides.theirs.push(await verify(theirs, await fresh(THEIRS)));
    }
    process.stdout.write(`CPU µs a payment: ${costs.text}\n`);
    const [first] = await fresh(1);
    for (const { url, key } of [ours, theirs]) {
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }) },
        body: bodyOf(tampered(first)),
      });
      const verdict = (await answer.json()) as { isValid?: boolean };
      if (verdict.isValid !== false) throw new Error(`${url} did not refuse a payment that was tampered with`);
    }
    const row = (unit: string, figure: keyof Verified) =>
      rowOf({
        path: 'POST /x402/verify, 64 connections',
        unit,
        referenceName: 'public facilitator behind Express',
        target: TARGET,
        ours: sides.ours.map((side) => side[figure]),
        reference: sides.theirs.map((side) => side[figure]),
      });
    report('facilitator', [
      row('payments/s, load generator on the same machine', 'perSecond'),
      row('payments per CPU-second of the server', 'perCpuSecond'),
    ]);
  } finally {
    await Promise.all([peer.stop(), farebox.stop()]);
  }
} finally {
  await chain.stop();
  await ground.stop();
}

/** Asks about so many payments, over connections that each ask one after the other. */
async function verify({ url, servers, key }: Side, payments: readonly SignedPayment[]): Promise<Verified> {
  const { host, pathname } = new URL(url);
  const requests = payments.map((payment) => {
    const body = bodyOf(payment);
    const shown = key === undefined ? '' : `Authorization: Bearer ${key}\r\n`;
    const head = `POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\n${shown}Content-Type: application/json\r\n`;
    return Buffer.from(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  });
  const opened = await Promise.all(Array.from({ length: CONNECTIONS }, () => RawConnection.open(url)));
  const before = cpuSeconds(servers);
  const begun = performance.now();
  let next = 0;
  await Promise.all(
    opened.map(async (connection) => {
      for (;;) {
        const request = requests[next];
        next += 1;
        if (request === undefined) return;
        const { status, body } = await connection.ask(request);
        if (status !== 200 || !body.includes('"isValid":true')) throw new Error(`${url} answered ${status}: ${body}`);
      }
    }),
  );
  const seconds = (performance.now() - begun) / 1000;
  const spent = (cpuSeconds(servers) ?? 0) - (before ?? 0);
  for (const connection of opened) connection.close();
  return { perSecond: payments.length / seconds, perCpuSecond: payments.length / spent };
}

function bodyOf({ offer, payload }: SignedPayment): string {
  return JSON.stringify({ x402Version: 2, paymentPayload: payload, paymentRequirements: offer });
}

/** The same payment with one digit of its signature changed. */
function tampered(payment: SignedPayment | undefined): SignedPayment {
  if (payment === undefined) throw new Error('there are no payments');
  const { signature } = payment.payload.payload as { signature: string };
  const changed = `${signature.slice(0, 10)}${signature[10] === '0' ? '1' : '0'}${signature.slice(11)}`;
  return { ...payment, payload: { ...payment.payload, payload: { ...payment.payload.payload, signature: changed } } };
}
