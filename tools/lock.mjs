import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { dataFolder } from './root.mjs';

const DEADLINE_MS = 120_000;

/** One process of this machine at a time does the work; a holder that died is passed over. */
export async function alone(name, work) {
  const lock = join(dataFolder, 'locks', name);
  mkdirSync(dirname(lock), { recursive: true });
  const end = Date.now() + DEADLINE_MS;
  while (!take(lock)) {
    if (Date.now() > end) throw new Error(`another process has held ${lock} for too long; remove it if there is none`);
    await pause(50);
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function take(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    if (!isHeld(lock)) rmSync(lock, { force: true });
    return false;
  }
}

function isHeld(lock) {
  try {
    const holder = Number(readFileSync(lock, 'utf8'));
    // Between its creation and its first byte the file is empty: somebody is just taking it.
    if (holder === 0) return true;
    process.kill(holder, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
