import { argv, env, stderr, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { ID_PREFIXES, isId } from '@core/ids';
import { type Period, parseInstant } from '@core/time';
import { MeterReader, RebuildUsage, type UsageDifference } from '@features/metering';
import { readConfig } from '@platform/config';
import { Database, Writer } from '@platform/database';

const USAGE = `Makes what is derived from the usage log anew, or says how it differs. Charges are not touched.

  rebuild --provider <prv_…> [--meter <name or id>] [--from <RFC 3339> --to <RFC 3339>] [--compare]

  --compare   change nothing; print what a rebuild would change, and exit 1 when there is something
  --from/--to midnights in UTC; without them, all there is`;

/** What the operator got wrong; said without a stack. */
class Misuse extends Error {}

const text = { type: 'string' } as const;

interface Wanted {
  readonly provider: string;
  readonly meter: string | undefined;
  readonly range: Period | undefined;
  readonly compare: boolean;
}

async function rebuild(): Promise<number> {
  const wanted = readWanted();
  if (!wanted) {
    stdout.write(`${USAGE}\n`);
    return 0;
  }
  const config = readConfig(env);
  const database = new Database(config.DATABASE_URL, 2);
  const writer = new Writer(config.DATABASE_WRITER_URL, 2);
  try {
    const { provider, range } = wanted;
    const meter = wanted.meter === undefined ? undefined : await meterId(database, provider, wanted.meter);
    const usage = new RebuildUsage(writer);
    if (!wanted.compare) {
      const { entries } = await usage.run({ provider, meter, range });
      stdout.write(`Rebuilt from ${entries} entries of the usage log.\n`);
      return 0;
    }
    const differences = await usage.compare({ provider, meter, range });
    for (const difference of differences) stdout.write(`${lineOf(difference)}\n`);
    stdout.write(
      differences.length === 0 ? 'A rebuild would change nothing.\n' : `${differences.length} rows differ.\n`,
    );
    return differences.length === 0 ? 0 : 1;
  } finally {
    await Promise.all([database.close(), writer.close()]);
  }
}

async function meterId(database: Database, provider: string, named: string): Promise<string> {
  const meter = await database.forProvider(provider, (tx) => new MeterReader().find(tx, named));
  if (!meter) throw new Misuse(`--meter: ${provider} has no meter "${named}"`);
  return meter.id;
}

function readWanted(): Wanted | undefined {
  const options = { provider: text, meter: text, from: text, to: text };
  const { values } = readArguments({ ...options, compare: { type: 'boolean' }, help: { type: 'boolean' } });
  if (values.help) return undefined;
  const { provider, meter } = values;
  if (provider === undefined) throw new Misuse(`--provider is missing\n\n${USAGE}`);
  if (!isId(provider, ID_PREFIXES.provider)) throw new Misuse('--provider: give the id, prv_…');
  return { provider, meter, range: rangeOf(values.from, values.to), compare: values.compare ?? false };
}

function rangeOf(from: string | undefined, to: string | undefined): Period | undefined {
  if (from === undefined && to === undefined) return undefined;
  const [start, end] = [from, to].map((given) => parseInstant(given ?? ''));
  if (start === undefined || end === undefined)
    throw new Misuse('--from and --to: give both, e.g. 2026-11-01T00:00:00Z');
  return { start, end };
}

function readArguments<Options extends NonNullable<Parameters<typeof parseArgs>[0]>['options']>(options: Options) {
  try {
    return parseArgs({ args: argv.slice(2), options });
  } catch (error) {
    throw new Misuse(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  }
}

function lineOf({ table, key, live, rebuilt }: UsageDifference): string {
  const row = (columns: Readonly<Record<string, string | null>> | undefined) =>
    columns === undefined ? 'no row' : JSON.stringify(columns);
  return `${table} ${JSON.stringify(key)}\n  is       ${row(live)}\n  would be ${row(rebuilt)}`;
}

rebuild().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 2;
  },
);
