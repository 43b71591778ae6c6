import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A digest of the contents of files and folders: dates say little after a checkout or a copy. */
export function fingerprint(paths, matters = () => true) {
  const digest = createHash('sha256');
  for (const file of paths.flatMap(filesBelow).filter(matters).sort()) {
    digest.update(`${file}\0`).update(readFileSync(file)).update('\0');
  }
  return digest.digest('hex');
}

function filesBelow(path) {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

export const isStamped = (stamp, value) => existsSync(stamp) && readFileSync(stamp, 'utf8') === value;
