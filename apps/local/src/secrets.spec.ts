import { mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSecrets } from './secrets.js';

describe('the secrets of a data folder', () => {
  const newFile = (): string => join(mkdtempSync(join(tmpdir(), 'secrets-')), 'secrets.json');

  it('are made once, for nobody else to read', () => {
    const file = newFile();
    const made = readSecrets(file);
    expect(made.signingKey).toMatch(/^[0-9a-f]{64}$/);
    expect(readSecrets(file)).toEqual(made);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('of a folder from before documents were signed gain a signing key, once, and keep the rest', () => {
    const file = newFile();
    const before = { keyPepper: 'p'.repeat(64), quoteSecret: 'q'.repeat(64) };
    writeFileSync(file, JSON.stringify(before));
    const now = readSecrets(file);
    expect(now).toEqual({ ...before, signingKey: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(now);
    expect(readSecrets(file)).toEqual(now);
  });
});
