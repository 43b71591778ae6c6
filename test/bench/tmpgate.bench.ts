import { readFileSync } from 'node:fs';
import { startChain } from '../../tools/servers/chain.mjs';
import { placeUsdc } from '../../tools/servers/usdc.mjs';
import { Farebox } from './support/farebox.js';
import { startGround } from './support/ground.js';
import autocannon from 'autocannon';
const ground = await startGround();
const chain = await startChain({ blockTime: 2 });
await placeUsdc(chain.url);
const farebox = await Farebox.start({
  ground,
  chainUrl: chain.url,
  release: 'submitted',
  worker: false,
  providers: [],
});
const pid = farebox.named('api')[0]?.pid;
const cpu = () => {
  const f = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return [+f[11]! / 100, +f[12]! / 100] as const;
};
for (let i = 0; i < 4; i++) {
  const a = cpu();
  const r = await autocannon({
    url: `${farebox.url}/v1/gate/check`,
    method: 'POST',
    connections: 64,
    duration: 3,
    headers: { 'content-type': 'application/json', authorization: `Bearer ${farebox.key}` },
    body: JSON.stringify({ method: 'GET', url: 'https://api.example.com/hello', meter: 'api.calls' }),
  });
  const z = cpu();
  const n = r.requests.total;
  console.log('rps', n / 3, 'user us', (1e6 * (z[0] - a[0])) / n, 'sys us', (1e6 * (z[1] - a[1])) / n);
}
await farebox.stop();
await chain.stop();
await ground.stop();
