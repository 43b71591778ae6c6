// What an unpaid request costs until its 402 is out, beside the public Express middleware. Both sides hold what they may hold
// between requests: ours keeps a challenge for as long as its quote lasts, the public one prices at every request.
import type { PaymentRequirements } from '@core/x402';
import { startChain } from '../../tools/servers/chain.mjs';
import { placeUsdc, USDC_ADDRESS } from '../../tools/servers/usdc.mjs';
import { Farebox, PRICE } from './support/farebox.js';
import { startGround } from './support/ground.js';
import { startPeer } from './support/peer.js';
import { report, type Row, rowOf, short } from './support/report.js';
import { type Door, type Load, loadUnpaid } from './support/unpaid-load.js';

const ROUNDS = short ? 2 : 5;
const SECONDS = short ? 2 : 4;
const TARGET = 8;

const ground = await startGround();
const chain = await startChain({ blockTime: 2 });
try {
  await placeUsdc(chain.url);
  const farebox = await Farebox.start({
    ground,
    chainUrl: chain.url,
    release: 'submitted',
    worker: false,
    providers: ['bare', 'express'],
  });
  const peer = await startPeer({ chainUrl: chain.url, payTo: farebox.payTo, logs: ground.folder });
  try {
    const isRight = (offer: PaymentRequirements): boolean =>
      offer.scheme === 'exact' &&
      offer.network === 'eip155:84532' &&
      offer.amount === String(PRICE) &&
      offer.asset.toLowerCase() === USDC_ADDRESS.toLowerCase() &&
      offer.payTo.toLowerCase() === farebox.payTo;
    const agentsDoor = (url: string, servers: Door['servers']): Door => ({
      url: `${url}/hello`,
      method: 'GET',
      status: 402,
      challengeIn: 'header',
      isRight,
      servers,
    });
    const theirDoor = agentsDoor(peer.url, [peer.process]);
    const doors = {
      'the gate itself, POST /v1/gate/check of one api process': {
        ...agentsDoor(farebox.url, farebox.named('api')),
        url: `${farebox.url}/v1/gate/check`,
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${farebox.key}` },
        body: JSON.stringify({ method: 'GET', url: 'https://api.example.com/hello', meter: 'api.calls' }),
        status: 200,
        challengeIn: 'decision',
      },
      'a provider on a bare Node server': agentsDoor(farebox.urlOf('bare'), farebox.named('bare provider', 'api')),
      'a provider on Express': agentsDoor(farebox.urlOf('express'), farebox.named('express provider', 'api')),
      'a provider on a bare Node server, a URL never asked for before': {
        ...agentsDoor(farebox.urlOf('bare'), farebox.named('bare provider', 'api')),
        everyUrlNew: true,
      },
    } satisfies Record<string, Door>;

    const theirs: Load[] = [];
    const ours = new Map<string, Load[]>(Object.keys(doors).map((name) => [name, []]));
    const warm = 0.5;
    await loadUnpaid(theirDoor, warm);
    for (const door of Object.values<Door>(doors)) await loadUnpaid(door, warm);
    for (let round = 0; round < ROUNDS; round += 1) {
      theirs.push(await loadUnpaid(theirDoor, SECONDS));
      for (const [name, door] of Object.entries<Door>(doors)) ours.get(name)?.push(await loadUnpaid(door, SECONDS));
    }

    for (const table of ['payments', 'accounts', 'usage_log', 'transfers', 'outbox']) {
      const rows = await farebox.count(`SELECT count(*) FROM ${table}`);
      // A new price stages the rating of its meter, before any request.
      if (rows > 0 && table !== 'outbox')
        throw new Error(`${rows} rows were written to ${table} by requests that paid nothing`);
    }
    const rowsBy = (measure: keyof Load, unit: string): Row[] =>
      theirs.some((load) => load[measure] === 0)
        ? []
        : [...ours].map(([name, loads]) =>
            rowOf({
              path: `unpaid request → 402: ${name}`,
              unit,
              referenceName: '@x402/express',
              target: TARGET,
              ours: loads.map((load) => load[measure]),
              reference: theirs.map((load) => load[measure]),
            }),
          );
    report('challenge', [
      ...rowsBy('perSecond', 'answers/s, load generator on the same machine'),
      ...rowsBy('perCpuSecond', 'answers per CPU-second of the servers'),
    ]);
  } finally {
    await Promise.all([peer.stop(), farebox.stop()]);
  }
} finally {
  await chain.stop();
  await ground.stop();
}
