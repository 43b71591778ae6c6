import { Fault } from '@core/faults';
import { type Meter, type MeterRules, meterChangeProblem, meterProblem } from '@core/metering';
import { type Clock, type Instant, formatInstant, instant } from '@core/time';
import type { Database } from '@platform/database';
import { rulesOf, sameRules } from './create-meter.js';
import { lockCatalogue, requestRebuild, storeVersion } from './meter-versions.js';
import { MeterReader, type StoredMeter } from './meter.reader.js';

interface MeterRevision {
  readonly provider: string;
  /** Id or name. */
  readonly meter: string;
  /** What is left out stays as it is in the version before; undefined takes it away. */
  readonly rules: Partial<MeterRules>;
  /** Now when left out; never in the past. */
  readonly effectiveAt?: Instant | undefined;
}

/** Gives a meter other rules from an instant on. What was used before is counted as before. */
export class ReviseMeter {
  readonly #meters = new MeterReader();

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * @throws Fault not_found (`unknown_meter`); invalid_request (`invalid_meter`, `past_instant`); conflict (`version_exists`)
   * when another version begins then or later
   */
  async run(input: MeterRevision): Promise<{ readonly outcome: 'revised' | 'unchanged'; readonly meter: StoredMeter }> {
    const now = this.clock.now();
    const effectiveAt = input.effectiveAt ?? now;
    if (effectiveAt < now) {
      throw new Fault(
        'invalid_request',
        `A version takes effect now or later, not at ${formatInstant(effectiveAt)}: what was used before is counted already.`,
        { reason: 'past_instant' },
      );
    }
    return this.database.forProvider(input.provider, async (tx) => {
      await lockCatalogue(tx, input.provider);
      const meter = await this.#meters.find(tx, input.meter, now);
      if (!meter) {
        throw new Fault('not_found', `There is no meter "${input.meter}". GET /v1/meters lists yours.`, {
          reason: 'unknown_meter',
        });
      }
      const last = meter.versions.at(-1) ?? meter;
      const rules = rulesOf({ ...rulesOf(last), ...input.rules });
      if (sameRules(last, rules)) return { outcome: 'unchanged' as const, meter };
      check(meter, last, rules, effectiveAt);
      await storeVersion(tx, {
        provider: input.provider,
        id: meter.id,
        version: last.version + 1,
        effectiveAt,
        rules,
      });
      // Events may be a little ahead of the clock, and the day under way is cut in two.
      await requestRebuild(tx, { provider: input.provider, meter: meter.number, since: instant(effectiveAt) });
      const revised = await this.#meters.find(tx, meter.id, now);
      if (!revised) throw new Fault('invariant_broken', 'a revised meter was not found');
      return { outcome: 'revised' as const, meter: revised };
    });
  }
}

function check(meter: StoredMeter, last: Meter, rules: MeterRules, effectiveAt: Instant): void {
  if (effectiveAt <= last.effectiveAt) {
    throw new Fault(
      'conflict',
      `Version ${last.version} of "${meter.name}" takes effect at ${formatInstant(last.effectiveAt)}: the next one must do so later.`,
      { reason: 'version_exists' },
    );
  }
  const { name, eventType, unit, aggregation, description } = meter;
  const next = { name, eventType, unit, aggregation, ...rules, ...(description === undefined ? {} : { description }) };
  const problem = meterProblem(next) ?? meterChangeProblem(last, next);
  if (problem !== undefined) throw new Fault('invalid_request', problem, { reason: 'invalid_meter' });
}
