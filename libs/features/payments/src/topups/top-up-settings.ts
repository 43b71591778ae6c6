import { Fault } from '@core/faults';
import { big, type Database } from '@platform/database';

/** What a provider sells balance by. Atomic units of the token that agents pay with. */
export interface TopUpSettings {
  readonly least: bigint;
  readonly most: bigint;
  /** Most an account may have in balance whose payment is in a block and not final yet. */
  readonly provisionalCreditCap: bigint;
}

/** Where a provider has set nothing: 0.01 to 1000 USDC, and no balance before finality. */
export const TOP_UP_DEFAULTS: TopUpSettings = { least: 10_000n, most: 1_000_000_000n, provisionalCreditCap: 0n };

export class ReadTopUpSettings {
  constructor(private readonly database: Database) {}

  async run(provider: string): Promise<TopUpSettings> {
    const row = await this.database.forProvider(provider, (tx) =>
      tx.topUpSettings.findUnique({ where: { providerId: provider } }),
    );
    return row
      ? { least: big(row.least), most: big(row.most), provisionalCreditCap: big(row.provisionalCreditCap) }
      : TOP_UP_DEFAULTS;
  }
}

export class SetTopUpSettings {
  constructor(private readonly database: Database) {}

  /** @throws Fault invalid_request (`invalid_range`) */
  async run(provider: string, settings: TopUpSettings): Promise<TopUpSettings> {
    if (settings.least <= 0n || settings.least > settings.most) {
      throw new Fault('invalid_request', '"least" has to be more than zero and at most "most".', {
        reason: 'invalid_range',
      });
    }
    const data = {
      least: settings.least.toString(),
      most: settings.most.toString(),
      provisionalCreditCap: settings.provisionalCreditCap.toString(),
    };
    await this.database.forProvider(provider, (tx) =>
      tx.topUpSettings.upsert({
        where: { providerId: provider },
        create: { providerId: provider, ...data },
        update: data,
      }),
    );
    return settings;
  }
}
