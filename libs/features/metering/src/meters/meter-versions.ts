import { type MeterRules, writeMeterRules } from '@core/metering';
import { type Instant, formatInstant } from '@core/time';
import type { Tx } from '@platform/database';

/** Definitions of a provider are made one after the other: each looks at the others that hear its events. */
export async function lockCatalogue(tx: Tx, provider: string): Promise<void> {
  await tx.$queryRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`meters ${provider}`}, 0))::text`;
}

interface NewVersion {
  readonly provider: string;
  /** `mtr_…` */
  readonly id: string;
  readonly version: number;
  /** Absent: from the beginning of time. */
  readonly effectiveAt: Instant | undefined;
  readonly rules: MeterRules;
}

export async function storeVersion(tx: Tx, { provider, id, version, effectiveAt, rules }: NewVersion): Promise<void> {
  const from = effectiveAt === undefined ? 'epoch' : formatInstant(effectiveAt);
  await tx.$executeRaw`
    INSERT INTO meter_versions (meter_id, version, provider_id, effective_at, rules)
    VALUES (${id}, ${version}, ${provider}, ${from}::timestamptz, ${JSON.stringify(writeMeterRules(rules))}::jsonb)`;
}

/** Has the next roll-up make a meter's derived rows anew, from an instant on. It is durable with what made it necessary. */
export async function requestRebuild(
  tx: Tx,
  { provider, meter, since }: { readonly provider: string; readonly meter: number; readonly since: Instant },
): Promise<void> {
  await tx.$executeRaw`
    INSERT INTO usage_rebuilds (meter, provider_id, since) VALUES (${meter}, ${provider}, ${formatInstant(since)}::timestamptz)
    ON CONFLICT (meter) DO UPDATE SET since = least(usage_rebuilds.since, excluded.since), requested_at = now()`;
}
