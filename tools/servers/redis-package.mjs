import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { moveInto } from './move-into.mjs';
import { onPath, run } from './process.mjs';

// Debian and Ubuntu let anybody download packages and unpack them: with package lists and a cache of our own, apt needs
// no root. The server is never installed, only run from where it was unpacked.

const TRY_AGAIN_MS = 60 * 60 * 1_000;

/** The server's program and the libraries it brought along, or the reason why there is none. */
export async function unpackRedis(cache) {
  const home = join(cache, 'redis');
  if (existsSync(home)) return { found: serverIn(home) };
  const apt = onPath('apt-get');
  const dpkg = onPath('dpkg-deb');
  if (apt === undefined || dpkg === undefined) return { reason: 'this system has no apt-get' };
  const failed = join(cache, 'redis.failed');
  // Waiting for an unreachable archive at every start would be the price of being offline.
  if (existsSync(failed) && Date.now() - statSync(failed).mtimeMs < TRY_AGAIN_MS) {
    return { reason: `the package archive could not be reached within the last hour (remove ${failed} to try again)` };
  }

  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, 'unpack-'));
  try {
    const archives = await download(apt, work);
    if (archives.length === 0) {
      writeFileSync(failed, '');
      return { reason: 'the package archive could not be reached' };
    }
    const fresh = join(work, 'home');
    for (const archive of archives) await run(dpkg, ['-x', archive, fresh]);
    const found = serverIn(fresh);
    const { status, output } = await run(found.file, ['--version'], { env: found.env });
    if (status !== 0) {
      writeFileSync(failed, output);
      return { reason: `the distribution's Redis does not run here (${output.trim()})` };
    }
    return { found: serverIn(moveInto(fresh, home)) };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function download(apt, work) {
  for (const folder of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(work, folder), { recursive: true });
  const settings = [
    `Dir::State::Lists=${work}/lists`,
    `Dir::Cache=${work}/cache`,
    'APT::Sandbox::User=root',
    'Debug::NoLocking=1',
    'Acquire::Languages=none',
    'Acquire::Retries=1',
    'Acquire::http::Timeout=10',
    'Acquire::https::Timeout=10',
  ].flatMap((setting) => ['-o', setting]);
  const options = { cwd: work, timeout: 60_000 };
  const updated = await run(apt, [...settings, '-qq', 'update'], options);
  if (updated.status !== 0) return [];
  // What this machine lacks for running it is apt's to find out: the libraries differ from release to release.
  const install = ['-qq', '--yes', '--no-install-recommends', '--download-only', 'install', 'redis-server'];
  await run(apt, [...settings, ...install], options);
  const folder = join(work, 'cache/archives');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.deb'))
    .map((name) => join(folder, name));
}

function serverIn(home) {
  const folders = [join(home, 'usr/lib'), join(home, 'lib')].filter((folder) => existsSync(folder));
  const libraries = folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.includes('-linux-gnu'))
      .map((name) => join(folder, name)),
  );
  const env = { ...process.env, LD_LIBRARY_PATH: libraries.join(':') };
  return { file: join(home, 'usr/bin/redis-server'), env };
}
