import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

export interface DemoKeys {
  /** `prv_…` */
  readonly provider: string;
  /** What the demo provider's server uses; scopes gate and ingest. */
  readonly service: string;
  /** For whoever sits at this machine; every scope. */
  readonly owner: string;
}

export interface Secrets {
  readonly keyPepper: string;
  readonly quoteSecret: string;
  /** Signs offers, receipts and usage records; 64 hex digits. */
  readonly signingKey: string;
  /** Absent until the demo provider was made. */
  readonly keys?: DemoKeys;
}

/** What an earlier start kept, or fresh ones. */
export function readSecrets(file: string): Secrets {
  if (!existsSync(file)) {
    const secrets = { keyPepper: fresh(), quoteSecret: fresh(), signingKey: fresh() };
    keepSecrets(file, secrets);
    return secrets;
  }
  const kept: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (!isSecrets(kept)) throw new Error(`${file} is not readable any more. Start with --fresh to begin anew.`);
  if (isSigning(kept)) return kept;
  // A folder from before documents were signed gets its key now.
  const secrets: Secrets = { ...kept, signingKey: fresh() };
  keepSecrets(file, secrets);
  return secrets;
}

const fresh = (): string => randomBytes(32).toString('hex');

/** Nobody else on this machine may read them. */
export function keepSecrets(file: string, secrets: Secrets): void {
  const draft = `${file}.new`;
  writeFileSync(draft, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
  chmodSync(draft, 0o600);
  renameSync(draft, file);
}

function isSecrets(kept: unknown): kept is Omit<Secrets, 'signingKey'> {
  return (
    hasTexts(kept, 'keyPepper', 'quoteSecret') &&
    (!('keys' in kept) || hasTexts(kept.keys, 'provider', 'service', 'owner'))
  );
}

const isSigning = (kept: Omit<Secrets, 'signingKey'>): kept is Secrets => hasTexts(kept, 'signingKey');

const hasTexts = (value: unknown, ...names: string[]): value is object =>
  typeof value === 'object' && value !== null && names.every((name) => typeof Reflect.get(value, name) === 'string');
