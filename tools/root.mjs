import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the checkout. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Everything that a run leaves behind lies here; git does not see it. */
export const dataFolder = join(root, '.data');
