import js from '@eslint/js';
import prettier from 'eslint-config-prettier';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';
import { featuresInOrder, platformForFeatures, technologyPackages } from './.dependency-cruiser.mjs';

const tests = ['**/*.spec.ts', '**/*.e2e-spec.ts', 'test/**/*.ts'];

// ── The rings, in the editor. dependency-cruiser follows every import to its file and has the last word. ──

const anyOf = (names) => `(?:${names.join('|')})`;

/** Refusals that hold in every file of the house. */
const everywhere = [
  {
    regex: '^@(?:core|features|platform)/[^/]+/.',
    message: 'A lib is its index.ts: import it by its name and export there what others need.',
  },
  { regex: '^@jest/globals$', message: 'describe, it and expect are there without an import.' },
];

/** Refusals for what runs in production. */
const production = [
  ...everywhere,
  { regex: '(?:^|/)test/|\\.(?:spec|e2e-spec)(?:\\.js)?$', message: 'Production code does not import tests.' },
];

const rings = {
  core: [
    {
      regex: '^(?!@core/|\\.{1,2}/|(?:zod|luxon)$)',
      message: 'Core imports only core (and zod and luxon): values in, values out.',
    },
  ],
  packages: [
    { regex: '^@(?:core|features|platform)/', message: 'A published package carries nothing of the server with it.' },
  ],
  platform: [
    { regex: '^@(?:features|farebox)/', message: 'Platform implements the ports of core; it knows no use case.' },
  ],
  feature: (place) => [
    {
      regex: `^@platform/(?!${anyOf(platformForFeatures)}$)`,
      message: `Of platform a feature uses ${platformForFeatures.join(', ')}; the rest reaches it through ports of core.`,
    },
    { regex: '^@farebox/', message: 'Published packages are for providers, not for features.' },
    {
      regex: `^(?:${technologyPackages.join('|')}|@prisma)(?:/|$)`,
      message: 'A feature uses technology through a port.',
    },
    {
      regex: `^@features/(?!${anyOf([...featuresInOrder.slice(0, place), '\\b\\B'])}$)`,
      message: `A feature uses those to its left only: ${featuresInOrder.join(' · ')}.`,
    },
  ],
};

const specs = {
  core: [{ regex: '^@(?:features|platform|farebox)/', message: 'Core knows no other ring, not even in its tests.' }],
  feature: (place) => rings.feature(place).slice(-1),
};

const forwardRef = {
  name: '@nestjs/common',
  importNames: ['forwardRef'],
  message: 'The features have an order, so forwardRef cannot be needed.',
};

const imports = (patterns) => ['error', { paths: [forwardRef], patterns }];

// ── Impurities, each with what to use instead. ──

const now = 'Time is handed in: take `now` as an argument, or the Clock port in a feature.';
const ids = 'Ids come from the IdSource port.';
const environment = 'The environment is parsed once, in libs/platform/config, and read nowhere else.';

const noEnvironment = [{ object: 'process', property: 'env', message: environment }];
const noHiddenInput = [
  { object: 'Date', property: 'now', message: now },
  { object: 'performance', property: 'now', message: now },
  { object: 'Math', property: 'random', message: ids },
  { object: 'crypto', property: 'randomUUID', message: ids },
  { object: 'Number', property: 'parseFloat', message: 'Quantities and rates are exact: use Decimal of @core/money.' },
];
const noParseFloat = { name: 'parseFloat', message: 'Quantities and rates are exact: use Decimal of @core/money.' };

/** Casting through unknown silences the compiler about anything at all. */
const noDoubleCast = {
  selector: 'TSAsExpression > TSAsExpression > TSUnknownKeyword',
  message: 'A cast through unknown proves nothing: parse the value, or give it the right type at its source.',
};
const noBareDate = [
  { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: now },
  { selector: "CallExpression[callee.name='Date']", message: now },
];
const noWaiting = [
  {
    selector: 'AwaitExpression',
    message: 'Core decides and never waits: let the feature await, and pass the value in.',
  },
  {
    selector: ':function[async=true]',
    message: 'Core decides and never waits: let the feature await, and pass the value in.',
  },
];

const productionTs = (ring) => ({ files: [`libs/${ring}/**/*.ts`], ignores: tests });

export default defineConfig(
  {
    ignores: [
      '**/node_modules/',
      '**/dist/',
      '.data/',
      'coverage/',
      'test/bench/out/',
      'libs/platform/database/src/generated/',
      '**/*.d.mts',
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,

  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['prisma.config.ts'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      'no-warning-comments': ['error', { terms: ['todo', 'fixme', 'xxx', 'hack'], location: 'start' }],
      'no-restricted-imports': imports(production),
      'no-restricted-properties': ['error', ...noEnvironment],
      'no-restricted-syntax': ['error', noDoubleCast],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      // Files with decorators are left alone by this rule: Nest injects by the value of a class, not by its type.
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // A method of a port promises a Promise whether or not this implementation has something to await.
      '@typescript-eslint/require-await': 'off',
    },
  },

  { ...productionTs('packages'), rules: { 'no-restricted-imports': imports([...production, ...rings.packages]) } },
  { ...productionTs('platform'), rules: { 'no-restricted-imports': imports([...production, ...rings.platform]) } },
  { ...productionTs('platform/config'), rules: { 'no-restricted-properties': 'off' } },
  {
    ...productionTs('core'),
    rules: {
      'no-restricted-imports': imports([...production, ...rings.core]),
      'no-restricted-globals': ['error', noParseFloat, 'setTimeout', 'setInterval', 'fetch', 'crypto'],
      'no-restricted-properties': ['error', ...noHiddenInput, { object: 'process', message: environment }],
      'no-restricted-syntax': ['error', noDoubleCast, ...noBareDate, ...noWaiting],
    },
  },
  {
    ...productionTs('features'),
    rules: {
      'no-restricted-globals': ['error', noParseFloat],
      'no-restricted-properties': ['error', ...noEnvironment, ...noHiddenInput],
      'no-restricted-syntax': ['error', noDoubleCast, ...noBareDate],
    },
  },
  ...featuresInOrder.map((feature, place) => ({
    ...productionTs(`features/${feature}`),
    rules: { 'no-restricted-imports': imports([...production, ...rings.feature(place)]) },
  })),

  // One machine's launcher: it prints its progress and reads its own environment.
  {
    files: ['apps/local/**/*.ts', 'prisma/**/*.ts', 'prisma.config.ts'],
    rules: { 'no-console': 'off', 'no-restricted-properties': 'off' },
  },
  // Commands print their answer.
  { files: ['apps/**/*.command.ts', 'apps/*/src/main.ts'], rules: { 'no-console': 'off' } },

  // Tests read JSON bodies, pass methods to expect, and may look at the environment the global set-up publishes.
  {
    files: tests,
    rules: {
      'no-console': 'off',
      'no-restricted-imports': imports(everywhere),
      'no-restricted-properties': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  { files: ['libs/core/**/*.spec.ts'], rules: { 'no-restricted-imports': imports([...everywhere, ...specs.core]) } },
  ...featuresInOrder.map((feature, place) => ({
    files: [`libs/features/${feature}/**/*.spec.ts`],
    rules: { 'no-restricted-imports': imports([...everywhere, ...specs.feature(place)]) },
  })),

  // What Node runs before anything is built.
  {
    files: ['**/*.{js,mjs,cjs}'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: {
      globals: Object.fromEntries(
        [
          'process',
          'console',
          'performance',
          'Buffer',
          'URL',
          'URLSearchParams',
          'fetch',
          'crypto',
          'WebAssembly',
          'globalThis',
        ]
          .concat(['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'queueMicrotask'])
          .concat(['AbortController', 'AbortSignal', 'TextEncoder', 'TextDecoder', 'structuredClone'])
          .map((name) => [name, 'readonly']),
      ),
    },
    rules: { 'no-empty': ['error', { allowEmptyCatch: true }] },
  },
  prettier,
);
