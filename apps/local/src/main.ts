import { dataFolder } from '../../../tools/root.mjs';
import { HELP, readArguments, type StartOptions } from './arguments.js';
import { DataFolder } from './data-folder.js';
import { report } from './progress.js';
import { Running } from './running.js';
import { start } from './start.js';

/** npm hands a Ctrl-C on that the terminal has delivered already: only a later one is somebody losing patience. */
const PATIENCE_MS = 1_000;

/** Runs until it is told to stop, something fails, or, with `--exit`, everything was shown. Returns the exit status. */
async function run(options: StartOptions): Promise<number> {
  const data = new DataFolder(options.data);
  const running = new Running();
  const told = untilTold();
  try {
    data.take();
  } catch (error) {
    console.error(messageOf(error));
    return 1;
  }
  try {
    const up = start(options, data, running).then(() => 'up' as const);
    const died = running.died.then((lastWords): never => {
      throw new Error(lastWords);
    });
    if ((await Promise.race([up, told, died])) === 'up' && !options.exit) {
      console.log('Ctrl-C stops everything; what was done is kept.');
      await Promise.race([told, died]);
    }
    return 0;
  } catch (error) {
    console.error(`\n${messageOf(error)}`);
    return 1;
  } finally {
    console.log('');
    await running.stopAll();
    data.release();
    report(`Stopped. ${data.path} keeps what was done.`);
  }
}

/** Resolves at the first Ctrl-C or its like. At a later one this process ends at once, and its servers with it. */
function untilTold(): Promise<'told'> {
  return new Promise((resolve) => {
    let since: number | undefined;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (since !== undefined && performance.now() - since > PATIENCE_MS) process.exit(130);
        since ??= performance.now();
        resolve('told');
      });
    }
  });
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}\n  ${messageOf(error.cause)}`;
}

const asked = readArguments(process.argv.slice(2), { of: process.env['INIT_CWD'] ?? process.cwd(), usual: dataFolder });
switch (asked.ask) {
  case 'help':
    console.log(HELP);
    break;
  case 'nothing':
    console.error(`${asked.problem}\n\n${HELP}`);
    process.exitCode = 1;
    break;
  case 'start':
    // Connections that linger must not keep a stopped start waiting.
    process.exit(await run(asked.options));
}
