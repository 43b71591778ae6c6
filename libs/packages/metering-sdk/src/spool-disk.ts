import { closeSync, fsyncSync, openSync } from 'node:fs';
import { SpoolFailedError, SpoolFullError } from './errors.js';

/** Errors of Node carry a code such as ENOSPC. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The error in the words of this package. */
export function diskError(cause: unknown): SpoolFullError | SpoolFailedError {
  if (cause instanceof SpoolFullError || cause instanceof SpoolFailedError) return cause;
  const code = codeOf(cause);
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG')
    return new SpoolFullError('The disk of the spool is full. Nothing was recorded.', { cause });
  return new SpoolFailedError(`The disk of the spool failed${code ? ` (${code})` : ''}.`, { cause });
}

/** Makes names in a folder durable: a file that is synced but whose name is not is lost all the same. */
export function syncFolder(folder: string): void {
  let handle: number | undefined;
  try {
    handle = openSync(folder, 'r');
    fsyncSync(handle);
  } catch (error) {
    // Windows opens no folders, and keeps names without being asked.
    if (!['EISDIR', 'EPERM', 'EACCES', 'EINVAL'].includes(codeOf(error) ?? '')) throw error;
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}
