import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Files that were paid for, each until its time is over. The folder is the only memory: a start finds what is there. */
export class FileShelf {
  constructor(
    private readonly folder: string,
    private readonly keepSeconds: number,
  ) {
    mkdirSync(folder, { recursive: true });
  }

  /** Keeps the bytes; the name they are kept under tells whose they are. */
  keep(account: string, bytes: Uint8Array): string {
    const name = `${account}.${randomUUID()}`;
    writeFileSync(join(this.folder, name), bytes);
    return name;
  }

  /** Removes the files whose time is over and tells of each. */
  removeOld(now: number): { account: string; name: string }[] {
    const old = readdirSync(this.folder).filter(
      (name) => now - statSync(join(this.folder, name)).mtimeMs >= this.keepSeconds * 1000,
    );
    for (const name of old) rmSync(join(this.folder, name), { force: true });
    return old.map((name) => ({ account: name.split('.')[0] ?? '', name }));
  }
}
