// A host process to be killed: node --import ./tools/register-typescript.mjs spooling-child.ts <url> <folder> <log> <round>
// records without an end and writes down, one line each, what it set out to record (+) and what was taken (=).
import { openSync, writeSync } from 'node:fs';
import { argv } from 'node:process';
import { Metering } from '../src/index.js';
import { diskSpool } from '../src/spool.js';

const [, , url = '', dir = '', log = '', round = ''] = argv;
const AT_ONCE = 20;

const lines = openSync(log, 'a');
const note = (line: string): number => writeSync(lines, `${line}\n`);

const metering = new Metering({
  url,
  key: 'k',
  source: '/killed',
  spool: diskSpool({ dir, segmentBytes: 20_000 }),
  queue: { maxEvents: 150 },
  batch: { maxEvents: 40, maxAgeMs: 5 },
  retry: { minDelayMs: 1, maxDelayMs: 20 },
  onRetry: () => undefined,
});

async function record(name: string, ownId: boolean): Promise<void> {
  note(`+${name}`);
  await metering.record({ meter: 'calls', account: 'acct_1', dimensions: { name }, ...(ownId && { id: name }) });
  note(`=${name}`);
}

async function run(worker: number): Promise<void> {
  for (let n = 0; ; n++) await record(`${round}-${worker}-${n}`, worker === 0);
}

await Promise.all(Array.from({ length: AT_ONCE }, (_, worker) => run(worker)));
