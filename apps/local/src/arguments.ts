import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

export interface StartOptions {
  /** Let the demo agent buy. */
  readonly demo: boolean;
  /** Throw away what an earlier start kept. */
  readonly fresh: boolean;
  /** Stop when everything has been shown. */
  readonly exit: boolean;
  /** Absolute path of the folder that keeps everything. */
  readonly data: string;
  /** Where the search for free ports begins. */
  readonly port: number;
}

type Arguments =
  | { readonly ask: 'start'; readonly options: StartOptions }
  | { readonly ask: 'help' }
  | { readonly ask: 'nothing'; readonly problem: string };

export const HELP = `npm start -- [flags]     everything Farebox needs, on this machine

  --no-demo         do not let the demo agent buy anything
  --fresh           throw away what an earlier start kept in the data folder, then start
  --data <folder>   keep everything there (default: .data)
  --port <n>        take ports from n upwards (default: 3000); taken ones are passed over
  --exit            stop when everything has been shown
  --help            this list`;

const FIRST_PORT = '3000';
const LAST_FIRST_PORT = 65_000;

/**
 * Reads the command line.
 * @param folders `of`: what a relative folder is relative to; `usual`: where data is kept unless said otherwise
 */
export function readArguments(args: readonly string[], folders: { of: string; usual: string }): Arguments {
  const refuse = (problem: string): Arguments => ({ ask: 'nothing', problem });
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        'no-demo': { type: 'boolean', default: false },
        fresh: { type: 'boolean', default: false },
        exit: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
        data: { type: 'string' },
        port: { type: 'string', default: FIRST_PORT },
      },
    });
    if (values.help) return { ask: 'help' };
    if (values.data === '') return refuse('--data needs a folder.');
    const port = /^\d{1,5}$/.test(values.port) ? Number(values.port) : 0;
    if (port < 1024 || port > LAST_FIRST_PORT) return refuse(`--port needs a number from 1024 to ${LAST_FIRST_PORT}.`);
    const data = values.data === undefined ? folders.usual : resolve(folders.of, values.data);
    return { ask: 'start', options: { demo: !values['no-demo'], fresh: values.fresh, exit: values.exit, data, port } };
  } catch (error) {
    // Only what parseArgs says about the command line itself can be thrown here.
    const said = error instanceof Error ? error.message : String(error);
    return refuse(`${said.split('. ')[0]?.replace(/\.$/, '') ?? said}.`);
  }
}
