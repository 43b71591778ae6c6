import { existsSync, readdirSync } from 'node:fs';
import { basename, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { rspack } from '@rspack/core';
import { root } from './root.mjs';

/** The paths of tsconfig.json: our own libraries, bundled into each app. Every other bare name is a package. */
const OURS = /^@(core|features|platform|farebox)\//;
const TOOLS = join(root, 'tools') + sep;

/** An app's `main.ts`, and each of its `commands/<name>.ts`, which becomes `dist/apps/<app>/<name>.js`. */
function entries(app) {
  const sources = join(root, 'apps', app, 'src');
  const commands = join(sources, 'commands');
  const files = existsSync(commands) ? readdirSync(commands) : [];
  const names = files
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'))
    .map((file) => basename(file, '.ts'));
  return {
    main: join(sources, 'main.ts'),
    ...Object.fromEntries(names.map((name) => [name, join(commands, `${name}.ts`)])),
  };
}

/**
 * One bundle per app, an ES module that `node dist/apps/<app>/main.js` runs. Packages stay where they are, and so do the
 * plain modules of tools: they find their files from where they lie.
 */
export function configure(app) {
  const output = join(root, 'dist/apps', app);
  const external = ({ context, request }, done) => {
    if (request === undefined || OURS.test(request)) return done();
    if (!request.startsWith('.') && !isAbsolute(request)) return done(undefined, `module ${request}`);
    const file = resolve(context ?? root, request);
    if (!file.startsWith(TOOLS)) return done();
    return done(undefined, `module ${relative(output, file).split(sep).join('/')}`);
  };
  const swc = {
    jsc: {
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
      target: 'es2022',
      keepClassNames: true,
    },
    sourceMaps: true,
  };
  return {
    name: app,
    context: root,
    mode: 'none',
    target: 'node20',
    entry: entries(app),
    devtool: 'source-map',
    output: {
      path: output,
      filename: '[name].js',
      clean: true,
      module: true,
      library: { type: 'module' },
      chunkFormat: 'module',
      chunkLoading: 'import',
    },
    externals: [external],
    externalsPresets: { node: false },
    module: {
      parser: { javascript: { importMeta: false } },
      rules: [{ test: /\.ts$/, type: 'javascript/esm', use: [{ loader: 'builtin:swc-loader', options: swc }] }],
    },
    resolve: {
      extensions: ['.ts', '.js'],
      extensionAlias: { '.js': ['.ts', '.js'], '.mjs': ['.mts', '.mjs'] },
      tsConfig: join(root, 'tsconfig.json'),
    },
    optimization: { nodeEnv: false },
    node: { __dirname: false, __filename: false },
  };
}

export function bundle(apps) {
  const compiler = rspack(apps.map(configure));
  return new Promise((done, fail) => {
    compiler.run((error, stats) => {
      compiler.close(() => {
        if (error) return fail(error);
        if (stats.hasErrors()) return fail(new Error(stats.toString({ all: false, errors: true })));
        return done();
      });
    });
  });
}

/** `nest build <app>` builds the same. */
export default (defaults) => {
  const app = /apps[\\/]([a-z]+)[\\/]src/.exec(String(defaults.entry))?.[1];
  if (app === undefined) throw new Error(`no app is known by the entry ${defaults.entry}`);
  return configure(app);
};
