// A host process whose disk is too small: filling-child.ts <url> <folder>. It records until it is refused, while the server
// cannot be reached, and prints the error and how much was taken. Then it delivers, records once more, and prints again.
import { argv, stdout } from 'node:process';
import { Metering } from '../src/index.js';
import { diskSpool } from '../src/spool.js';

const [, , url = '', dir = ''] = argv;
let isUp = false;
const metering = new Metering({
  url,
  key: 'k',
  source: '/filling',
  spool: diskSpool({ dir }),
  queue: { maxEvents: 1_000 },
  retry: { minDelayMs: 1, maxDelayMs: 5 },
  fetch: (input, init) => (isUp ? fetch(input, init) : Promise.reject(new TypeError('no network'))),
});
const note = 'x'.repeat(50);
const record = (n: number): Promise<void> =>
  metering.record({ meter: 'calls', account: `acct_${n}`, dimensions: { n: String(n), note } });

let taken = 0;
let refusal: unknown;
for (let n = 0; refusal === undefined && n < 1_000_000; n += 200) {
  const group = Array.from({ length: 200 }, (_, index) => record(n + index));
  for (const one of await Promise.allSettled(group))
    if (one.status === 'fulfilled') taken += 1;
    else refusal ??= one.reason;
}
const code = refusal instanceof Error && 'code' in refusal ? refusal.code : undefined;
const full = metering.counters();
isUp = true;
const flushed = await metering.flush();
await record(-1);
const closed = await metering.close();
stdout.write(JSON.stringify({ code, taken, full, flushed, closed, counters: metering.counters() }));
