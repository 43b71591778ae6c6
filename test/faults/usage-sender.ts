// A provider's process that is killed again and again: node --import ./tools/register-typescript.mjs usage-sender.ts
// <url> <key> <spool folder> <logs folder> <round>. It records usage without an end, and writes down, one line each, what it
// set out to record (+) and what was taken (=). Usage with an id of its own it records again now and then, as a caller does
// who saw no answer; and what its predecessor left without one, it records first.
import { openSync, readFileSync, readdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { argv } from 'node:process';
import { Metering } from '@farebox/metering';
import { diskSpool } from '@farebox/metering/spool';
import { type Sent, accountOf, lineOf, readLines, valueOf } from './sent-usage.js';

const [, , url = '', key = '', dir = '', logs = '', round = ''] = argv;
/** Recorded at once; every fifth has ids of its own, and every tenth of those is recorded twice: 2 % duplicates. */
const AT_ONCE = 10;
const OWN_IDS = 2;
const TWICE = 10;

const before = readdirSync(logs).flatMap((file) => readLines(readFileSync(join(logs, file), 'utf8')));
const log = openSync(join(logs, `round-${round}`), 'a');
const note = (mark: '+' | '=', sent: Sent): number => writeSync(log, lineOf(mark, sent));

const metering = new Metering({
  url,
  key,
  source: '/killed',
  spool: diskSpool({ dir }),
  queue: { maxEvents: 400, whenFull: 'block' },
  batch: { maxEvents: 50, maxAgeMs: 20 },
  retry: { minDelayMs: 5, maxDelayMs: 200 },
  onRetry: () => undefined,
});

async function record(sent: Sent): Promise<void> {
  note('+', sent);
  const { name, time, own } = sent;
  await metering.record({
    meter: 'killed.units',
    account: accountOf(name),
    value: valueOf(name),
    time: new Date(time),
    dimensions: { name },
    ...(own ? { id: name } : {}),
  });
  note('=', sent);
}

async function run(worker: number): Promise<void> {
  const own = worker < OWN_IDS;
  for (let n = 0; ; n += 1) {
    const sent = { name: `${round}-${worker}-${n}`, time: Date.now(), own };
    await record(sent);
    if (own && n % TWICE === 0) await record(sent);
  }
}

// A provider's process serves; the package keeps none alive by itself while it waits for a server.
setInterval(() => undefined, 60_000);

const taken = new Set(before.filter(({ mark }) => mark === '=').map(({ name }) => name));
const unanswered = before.filter(({ mark, name, own }) => mark === '+' && own && !taken.has(name));
for (const sent of unanswered) await record(sent);
await Promise.all(Array.from({ length: AT_ONCE }, (_, worker) => run(worker)));
