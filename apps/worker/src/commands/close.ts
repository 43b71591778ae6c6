import { argv, env, stderr, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { ID_PREFIXES, isId } from '@core/ids';
import { RollUpUsage } from '@features/metering';
import { RateUsage } from '@features/pricing';
import { CloseDue } from '@features/statements';
import { readConfig } from '@platform/config';
import { Database, Writer } from '@platform/database';
import { Outbox } from '@platform/queues';
import { CrashPoints, SystemClock, SystemIds } from '@platform/system';

const USAGE = `Closes the billing periods whose end and grace have passed, as the worker's schedule does.

  close [--provider <prv_…> [--account <acct_…>]]

  Without --provider: of every provider. Repeating it issues nothing twice.`;

/** Exits 1 when accounts wait because their usage could not be rated, 2 when it could not close. */
async function close(): Promise<number> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: argv.slice(2),
    options: { provider: text, account: text, help: { type: 'boolean' } },
  });
  if (values.help) {
    stdout.write(`${USAGE}\n`);
    return 0;
  }
  const { provider, account } = values;
  if (provider !== undefined && !isId(provider, ID_PREFIXES.provider))
    throw new Error('--provider: give the id, prv_…');
  if (account !== undefined && (provider === undefined || !isId(account, ID_PREFIXES.account)))
    throw new Error('--account: give the id, acct_…, and its --provider');
  const config = readConfig(env);
  const database = new Database(config.DATABASE_URL, 4);
  const writer = new Writer(config.DATABASE_WRITER_URL, 4);
  try {
    const clock = new SystemClock();
    const ids = new SystemIds();
    const rate = new RateUsage(writer, database, clock, ids, new RollUpUsage(writer, new Outbox(), clock));
    const closeDue = new CloseDue(writer, rate, ids, new CrashPoints(config.CRASH_AT));
    const done = provider === undefined ? await closeDue.run() : await closeDue.only({ provider, account });
    stdout.write(`Closed ${done.closed} periods, issued ${done.issued} statements; ${done.failed} accounts wait.\n`);
    return done.failed === 0 ? 0 : 1;
  } finally {
    await Promise.all([database.close(), writer.close()]);
  }
}

close().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 2;
  },
);
