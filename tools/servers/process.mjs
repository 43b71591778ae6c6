import { spawn } from 'node:child_process';
import { accessSync, closeSync, constants, existsSync, openSync, readFileSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const POLL_MS = 20;
const STOP_DEADLINE_MS = 8_000;

/** What was started and has not ended yet, so that nothing outlives us. */
const running = new Set();
let watching = false;

export function onPath(...names) {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  for (const name of names) {
    for (const folder of (process.env.PATH ?? '').split(delimiter).filter(Boolean)) {
      const file = join(folder, name + suffix);
      if (isExecutable(file)) return file;
    }
  }
  return undefined;
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** Runs to the end; a non-zero status is an answer, not an error. */
export function run(file, args, { timeout = 120_000, ...options } = {}) {
  return new Promise((resolve) => {
    const child = spawn(file, args, { ...options, timeout, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (output += text));
    child.once('error', (error) => resolve({ status: -1, output: error.message }));
    child.once('close', (code) => resolve({ status: code ?? -1, output }));
  });
}

export function startServer({ name, file, args, log, stopSignal = 'SIGTERM', ...options }) {
  const out = log === undefined ? 'ignore' : openSync(log, 'a');
  const [command, ...rest] = tiedToUs(stopSignal).concat(file, args);
  // A process group of its own: Ctrl-C in the terminal must not take the database away from services still closing.
  const child = spawn(command, rest, { ...options, detached: true, stdio: ['ignore', out, out] });
  if (log !== undefined) closeSync(out);

  const server = {
    name,
    pid: child.pid,
    failure: undefined,
    get ended() {
      return server.failure !== undefined || child.exitCode !== null || child.signalCode !== null;
    },
    kill: (signal) => {
      if (!server.ended) child.kill(signal);
    },
    stop: () => stop(server, child, stopSignal),
    describeEnd: () => describeEnd(server, child, log),
    stopSignal,
  };
  child.once('error', (error) => {
    server.failure = error;
    running.delete(server);
  });
  child.once('exit', () => running.delete(server));
  running.add(server);
  stopWithUs();
  return server;
}

/** Linux can signal a child when its parent dies without a word (kill -9); `setpriv` asks for that and then is the child. */
function tiedToUs(signal) {
  const setpriv = process.platform === 'linux' ? onPath('setpriv') : undefined;
  return setpriv === undefined ? [] : [setpriv, '--pdeathsig', signal.replace('SIG', '')];
}

/** The last resort of a process that ends without stopping its servers. */
function stopWithUs() {
  if (watching) return;
  watching = true;
  process.on('exit', () => {
    for (const server of running) server.kill(server.stopSignal);
  });
}

async function stop(server, child, signal) {
  if (server.ended) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
  await ended;
  clearTimeout(timer);
}

function describeEnd(server, child, log) {
  if (server.failure !== undefined) return `${server.name} could not be started: ${server.failure.message}`;
  const how = child.signalCode === null ? `with status ${child.exitCode}` : `by ${child.signalCode}`;
  const tail = log !== undefined && existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n').slice(-8) : [];
  return [`${server.name} ended ${how}${log === undefined ? '' : `; the end of ${log}:`}`, ...tail].join('\n  ');
}

export async function untilReady(server, isReady, { deadlineMs = 30_000 } = {}) {
  const end = Date.now() + deadlineMs;
  let reason;
  for (;;) {
    try {
      if ((await isReady()) && !server.ended) return;
    } catch (error) {
      reason = error;
    }
    if (server.ended) throw new Error(server.describeEnd());
    if (Date.now() > end) {
      await server.stop();
      throw new Error(`${server.name} was not ready within ${deadlineMs} ms`, { cause: reason });
    }
    await pause(POLL_MS);
  }
}
