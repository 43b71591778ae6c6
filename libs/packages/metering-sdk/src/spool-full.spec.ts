import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { IngestStandIn } from '../test/ingest-stand-in.js';
import { scratchFolder } from '../test/scratch-folder.js';
import type { Counters, FlushResult } from './index.js';

interface Said {
  readonly code: string;
  readonly taken: number;
  readonly full: Counters;
  readonly flushed: FlushResult;
  readonly closed: FlushResult;
  readonly counters: Counters;
}

it('refuses when the system takes no more bytes, keeps what it took, and goes on when there is room', async () => {
  const server = await IngestStandIn.start();
  const folder = scratchFolder();
  const child = join(process.cwd(), 'libs/packages/metering-sdk/test/filling-child.ts');
  const node = [process.execPath, '--import', './tools/register-typescript.mjs', child, server.url, folder.path];
  // No file of this process may have more than 4 MiB, which is less than a segment: the system itself refuses.
  const limited = spawn('/bin/sh', ['-c', 'ulimit -f 8192 && exec "$@"', 'sh', ...node], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  for await (const chunk of limited.stdout) printed += String(chunk);
  const { code, taken, full, flushed, closed, counters } = JSON.parse(printed) as Said;
  expect(code).toBe('spool_full');
  expect(taken).toBeGreaterThan(10_000);
  expect(full).toMatchObject({ queued: taken, waiting: taken, dropped: 0 });
  expect([flushed, closed]).toEqual([
    { complete: true, unsent: 0 },
    { complete: true, unsent: 0 },
  ]);
  expect(counters).toMatchObject({ queued: taken + 1, acknowledged: taken + 1, waiting: 0 });
  expect(new Set([...server.taken.values()].map(({ subject }) => subject)).size).toBe(taken + 1);
  await server.stop();
  folder.remove();
});
