// node --import ./tools/register-typescript.mjs <file.ts>: runs any TypeScript file of the house without a build.
import { register } from 'node:module';

process.setSourceMapsEnabled(true);
register('./typescript-loader.mjs', import.meta.url);
