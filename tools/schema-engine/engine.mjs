import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { log } from './log.mjs';

/** Prisma's schema engine as WebAssembly; its package is made for a bundler, so the two halves are joined here. */
export async function createEngine(factory, schemaFiles) {
  const folder = dirname(createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm'));
  const glue = await import(pathToFileURL(join(folder, 'schema_engine_bg.js')).href);
  const module = await WebAssembly.compile(await readFile(join(folder, 'schema_engine_bg.wasm')));
  const instance = await WebAssembly.instantiate(module, { './schema_engine_bg.js': glue });
  glue.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();

  const datamodels = await Promise.all(schemaFiles.map(async (file) => [file, await readFile(file, 'utf8')]));
  const note = (message) => {
    if (process.env.SCHEMA_ENGINE_DEBUG) log('DEBUG', message);
  };
  return glue.SchemaEngine.new({ datamodels: datamodels.length > 0 ? datamodels : undefined }, note, factory);
}
