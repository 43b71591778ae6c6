/** @type {import('jest').Config} */
import { availableParallelism } from 'node:os';

export default {
  // The longer stories wait for blocks and processes most of their time: one more file than there are cores keeps those busy.
  maxWorkers: availableParallelism() + 1,
  testEnvironment: 'node',
  testMatch: ['<rootDir>/{apps,libs,test}/**/*.spec.ts', '<rootDir>/test/e2e/*.e2e-spec.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/', '/.data/'],
  modulePathIgnorePatterns: ['/dist/', '/.data/'],
  moduleFileExtensions: ['ts', 'js', 'mjs', 'cjs', 'json'],
  transform: { '\\.[cm]?[jt]s$': '<rootDir>/tools/jest-transform.mjs' },
  transformIgnorePatterns: [],
  moduleNameMapper: {
    '^@(core|features|platform)/([a-z0-9-]+)$': '<rootDir>/libs/$1/$2/src/index.ts',
    '^@farebox/metering$': '<rootDir>/libs/packages/metering-sdk/src/index.ts',
    '^@farebox/metering/(express|fastify|nest|spool)$': '<rootDir>/libs/packages/metering-sdk/src/$1.ts',
    '^@farebox/paywall$': '<rootDir>/libs/packages/x402-middleware/src/index.ts',
    '^@farebox/paywall/(express|fastify|fetch|hono|mcp|nest)$': '<rootDir>/libs/packages/x402-middleware/src/$1.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  globalSetup: '<rootDir>/test/support/global-setup.mjs',
  globalTeardown: '<rootDir>/test/support/global-teardown.mjs',
  testTimeout: 60_000,
};
