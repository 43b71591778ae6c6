#!/usr/bin/env node
// Runs the whole suite on every Node line that is promised: node tools/test-nodes.mjs [major …] [-- jest arguments]
//
// The binaries come from the npm package `node`, one folder a line under .data/nodes. Its pre-install script fetches the
// package of this platform and links the binary, so the folder's own package.json has to allow that script. On Linux,
// Node 26 needs the system's libatomic.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const windows = process.platform === 'win32';
const [own, forJest] = split(process.argv.slice(2));
const majors = own.length > 0 ? own : ['20', '24', '26'];

function split(argv) {
  const at = argv.indexOf('--');
  return at < 0 ? [argv, []] : [argv.slice(0, at), argv.slice(at + 1)];
}

/** The environment without what an outer `npm run` left in it, which would steer the inner npm to its folders. */
function cleanEnvironment() {
  const inherited = /^npm_(?:config_(?:global_|local_)?prefix|config_global|lifecycle_|package_)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !inherited.test(name)));
}

function fetchNode(major) {
  const folder = join(root, '.data', 'nodes', major);
  const binary = join(folder, 'node_modules', 'node', 'bin', windows ? 'node.exe' : 'node');
  if (!existsSync(binary)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, allowScripts: { node: true } }));
    const args = ['install', '--no-audit', '--no-fund', '--no-save', '--loglevel=error', `node@${major}`];
    const npm = spawnSync('npm', args, {
      cwd: folder,
      env: cleanEnvironment(),
      stdio: ['ignore', 2, 2],
      shell: windows,
    });
    if (npm.status !== 0 || !existsSync(binary)) return { binary, problem: `npm could not install node@${major}` };
  }
  const asked = spawnSync(binary, ['--version'], { encoding: 'utf8' });
  if (asked.status === 0) return { binary, version: asked.stdout.trim() };
  return { binary, problem: `the binary does not run: ${asked.error?.message ?? asked.stderr.trim()}` };
}

function runSuite(major, { binary, version, problem }) {
  if (problem) return { major, problem };
  console.error(`\n── Node ${version} ──`);
  // Children that say just `node` get this one too.
  const env = { ...cleanEnvironment(), PATH: `${dirname(binary)}${delimiter}${process.env.PATH ?? ''}` };
  const run = (...args) => spawnSync(binary, args, { cwd: root, env, stdio: ['ignore', 2, 2] }).status;
  const report = join(root, '.data', 'nodes', `${major}.json`);
  rmSync(report, { force: true });

  const started = performance.now();
  if (run('tools/prepare.mjs') !== 0) return { major, version, problem: 'tools/prepare.mjs failed' };
  const status = run('node_modules/jest/bin/jest.js', '--json', `--outputFile=${report}`, ...forJest);
  const seconds = Math.round((performance.now() - started) / 100) / 10;
  if (!existsSync(report)) return { major, version, seconds, problem: `jest ended with ${status} and no report` };
  const result = JSON.parse(readFileSync(report, 'utf8'));
  return {
    major,
    version,
    seconds,
    suites: result.numPassedTestSuites,
    passed: result.numPassedTests,
    failed: result.numFailedTests,
    skipped: result.numPendingTests,
    problem: verdict(status, result),
  };
}

function verdict(status, result) {
  if (result.numTotalTests === 0) return 'no test ran';
  if (result.numFailedTests > 0) return 'tests failed';
  if (result.numRuntimeErrorTestSuites > 0) return 'a suite could not start';
  return status === 0 ? undefined : `jest ended with ${status}`;
}

const rows = majors.map((major) => runSuite(major, fetchNode(major)));
const cell = (value, width) => String(value ?? '–').padEnd(width);
const line = (...cells) => cells.map((value, place) => cell(value, [10, 8, 8, 8, 9, 9, 0][place])).join('');
console.log(`\n${line('node', 'suites', 'passed', 'failed', 'skipped', 'seconds', 'verdict')}`);
for (const row of rows) {
  const { suites, passed, failed, skipped, seconds } = row;
  console.log(line(row.version ?? row.major, suites, passed, failed, skipped, seconds, row.problem ?? 'ok'));
}
process.exitCode = rows.some((row) => row.problem) ? 1 : 0;
