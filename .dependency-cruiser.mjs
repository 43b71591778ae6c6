// The rings of the house, as rules that fail the build. `eslint.config.mjs` draws the same rings in the editor; this file
// follows imports to the file they really reach, so it also sees relative paths, re-exports and cycles.

/** The features, left to right: each may use those to its left. A new feature gets its place here first. */
export const featuresInOrder = [
  'accounts',
  'webhooks',
  'ledger',
  'metering',
  'wallet',
  'pricing',
  'settlement',
  'payments',
  'statements',
  'collections',
  'finance',
];

/** What features may use of the technology ring; everything else reaches them through a port of core. */
export const platformForFeatures = ['database', 'queues', 'telemetry'];

/** Libraries that are technology: a feature that imports one has gone round its port. */
export const technologyPackages = ['viem', 'bullmq', 'ioredis', 'fastify', 'express', 'stripe', 'secp256k1'];

const anyOf = (names) => `(?:${names.join('|')})`;
const test = '\\.(?:spec|e2e-spec|bench)\\.ts$';
const node = '(?:^|/)node_modules/';
const lib = (ring) => `^libs/${ring}/`;

const features = featuresInOrder.slice(0, -1).map((feature, place) => ({
  name: 'features-in-order',
  comment:
    `${feature} may use the features to its left only (${featuresInOrder.join(' · ')}). ` +
    'Let the one on the right call, or move the decision both need into core.',
  severity: 'error',
  from: { path: `${lib('features')}${feature}/` },
  to: { path: `${lib('features')}${anyOf(featuresInOrder.slice(place + 1))}/` },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-circular',
      comment:
        'A cycle has no first file to read and none to test alone. Types count: move the shared shape to a file of its own.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'core-imports-only-core',
      comment:
        'Core is rules: values in, values out. No technology, no Node built-ins; zod (shapes) and luxon (zones) are the packages it may use.',
      severity: 'error',
      from: { path: lib('core'), pathNot: test },
      to: { pathNot: [lib('core'), `${node}zod/`, `${node}(?:@types/)?luxon/`] },
    },
    {
      name: 'core-imports-only-core',
      comment: 'A test of core may compare with a public package, but core knows no other ring, not even in its tests.',
      severity: 'error',
      from: { path: `${lib('core')}.*${test}` },
      to: { path: '^(?:libs/(?!core/)|apps/|test/|prisma/)' },
    },
    {
      name: 'packages-import-only-packages',
      comment: 'What providers install carries nothing of the server with it.',
      severity: 'error',
      from: { path: lib('packages'), pathNot: test },
      to: { path: '^(?:libs/(?!packages/)|apps/|prisma/)' },
    },
    {
      name: 'metering-sdk-has-no-dependencies',
      comment: 'The metering package promises its users no dependencies; Node itself is enough.',
      severity: 'error',
      from: { path: '^libs/packages/metering-sdk/', pathNot: test },
      to: { path: node },
    },
    {
      name: 'platform-imports-core-and-platform',
      comment: 'Platform implements the ports of core; it knows neither the use cases nor the doors.',
      severity: 'error',
      from: { path: lib('platform'), pathNot: test },
      to: { path: '^(?:libs/(?!core/|platform/)|apps/|prisma/)' },
    },
    {
      name: 'features-reach-only-database-queues-telemetry',
      comment: `Of platform a feature may use ${platformForFeatures.join(', ')}. Chain, HTTP and configuration reach it through ports.`,
      severity: 'error',
      from: { path: lib('features'), pathNot: test },
      to: { path: `^(?:libs/platform/(?!${anyOf(platformForFeatures)}/)|libs/packages/|apps/|prisma/)` },
    },
    {
      name: 'features-hold-no-technology',
      comment: 'A feature that imports the chain, the queue or the web server goes round the port that tests replace.',
      severity: 'error',
      from: { path: lib('features'), pathNot: test },
      to: { path: `${node}(?:${technologyPackages.join('|')}|@prisma)/` },
    },
    ...features,
    {
      name: 'features-in-order',
      comment: 'This feature has no place in the order yet: give it one in `featuresInOrder`.',
      severity: 'error',
      from: { path: lib('features'), pathNot: `${lib('features')}${anyOf(featuresInOrder)}/` },
      to: {},
    },
    {
      name: 'apps-are-imported-by-nobody',
      comment: 'Apps wire; what two of them need belongs in a lib. Stories under test/ may start an app.',
      severity: 'error',
      from: { path: '^libs/' },
      to: { path: '^apps/' },
    },
    {
      name: 'apps-are-imported-by-nobody',
      comment: 'An app starts another as a process, never by importing it.',
      severity: 'error',
      from: { path: '^apps/([^/]+)/' },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    {
      name: 'libs-through-the-door',
      comment:
        "From outside, a lib is its index.ts. Export what others need there, so that the rest can change. (The paywall's sub-paths are doors too.)",
      severity: 'error',
      from: { path: '^libs/([^/]+/[^/]+)/' },
      to: {
        path: '^libs/[^/]+/[^/]+/',
        pathNot: [
          '^libs/$1/',
          '^libs/[^/]+/[^/]+/src/index\\.ts$',
          '^libs/packages/[^/]+/src/(?:express|fastify|fetch|hono|mcp|nest|spool)\\.ts$',
        ],
      },
    },
    {
      name: 'libs-through-the-door',
      comment: 'Apps, tests and the seed use a lib by its index.ts, as any other lib does.',
      severity: 'error',
      from: { pathNot: '^libs/' },
      to: {
        path: '^libs/[^/]+/[^/]+/',
        pathNot: [
          '^libs/[^/]+/[^/]+/src/index\\.ts$',
          '^libs/packages/[^/]+/src/(?:express|fastify|fetch|hono|mcp|nest|spool)\\.ts$',
        ],
      },
    },
    {
      name: 'stores-stay-inside',
      comment:
        "All SQL of a feature is in its store, and only the feature's own commands call it. Others use its reader.",
      severity: 'error',
      from: { path: '^libs/features/([^/]+)/' },
      to: { path: '^libs/features/[^/]+/src/.*\\.store\\.ts$', pathNot: '^libs/features/$1/' },
    },
    {
      name: 'stores-stay-inside',
      comment: 'A store is never used from outside its feature.',
      severity: 'error',
      from: { pathNot: lib('features') },
      to: { path: '^libs/features/[^/]+/src/.*\\.store\\.ts$' },
    },
    {
      name: 'stores-stay-inside',
      comment: 'The door of a feature offers commands, readers and types, never the store.',
      severity: 'error',
      from: { path: '^libs/features/[^/]+/src/index\\.ts$' },
      to: { path: '\\.store\\.ts$' },
    },
    {
      name: 'not-to-tests',
      comment: 'What runs in production imports neither a test nor its support.',
      severity: 'error',
      from: { path: '^(?:apps|libs|prisma)/', pathNot: test },
      to: { path: ['^test/', test] },
    },
    {
      name: 'not-to-dev-dep',
      comment:
        'The image is installed without development dependencies: this import would fail there. Types are erased and may stay.',
      severity: 'error',
      from: { path: '^(?:apps/(?:api|worker)|libs)/', pathNot: [test, lib('packages')] },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'not-to-unlisted',
      comment: 'A package that package.json does not name is there by luck, until the next install.',
      severity: 'error',
      from: { path: '^(?:apps|libs|prisma|test)/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'not-to-unresolvable',
      comment: 'This import leads nowhere.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-orphans',
      comment: 'Nobody imports this file and it imports nobody: is it still needed?',
      severity: 'warn',
      from: { orphan: true, pathNot: [test, '\\.d\\.m?ts$', '(?:^|/)(?:main|seed|index)\\.ts$', '^test/'] },
      to: {},
    },
  ],
  options: {
    doNotFollow: { path: ['node_modules', '^dist', '^tools/'] },
    exclude: { path: ['^libs/platform/database/src/generated/', '/dist/', '^\\.data/'] },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    combinedDependencies: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      mainFields: ['module', 'main', 'types', 'typings'],
    },
    skipAnalysisNotInRules: true,
  },
};
