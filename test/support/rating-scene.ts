import type { Meter, SentEvent } from '@core/metering';
import { type Asset, currency, erc20Asset, formatDecimal } from '@core/money';
import { Clock, type Instant, type Period, formatInstant, parseInstant, parsePeriod } from '@core/time';
import { LedgerReader } from '@features/ledger';
import {
  AmendEvent,
  Backfills,
  CreateMeter,
  IngestUsage,
  type MeterDefinition,
  type StoredMeter,
  RollUpUsage,
  VoidEvent,
} from '@features/metering';
import {
  BackTestPrice,
  type Charge,
  ChargeReader,
  ClosePeriod,
  CreatePlan,
  CreatePrice,
  MigratePlan,
  MoveAccount,
  OverridePrice,
  PreviewBackfill,
  type PriceSpec,
  RateUsage,
  RevisePlan,
} from '@features/pricing';
import { Database, Writer } from '@platform/database';
import { Outbox } from '@platform/queues';
import { SystemIds } from '@platform/system';
import { createTestDatabase, type SeededProvider, seedProvider, type TestDatabase } from './database.js';

export const USDC: Pick<Asset, 'id' | 'decimals'> = { id: erc20Asset(84532, `0x${'1'.repeat(40)}`), decimals: 6 };
export const money = (code: string): Asset => {
  const asset = currency(code);
  if (!asset) throw new Error(code);
  return asset;
};

export const at = (text: string): Instant => {
  const instant = parseInstant(text);
  if (instant === undefined) throw new Error(text);
  return instant;
};

export class HeldClock extends Clock {
  constructor(public time: Instant) {
    super();
  }
  now(): Instant {
    return this.time;
  }
}

/** A price as a test writes it. */
export interface TestPrice {
  readonly model?: string;
  readonly definition: object;
  readonly modifiers?: object;
  readonly asset?: Pick<Asset, 'id' | 'decimals'>;
}

export const specOf = ({ model = 'per_unit', definition, modifiers, asset = USDC }: TestPrice): PriceSpec => ({
  model,
  definition,
  asset,
  ...(modifiers === undefined ? {} : { modifiers }),
});

const EVER: Period = { start: parsePeriod('2026-01').start, end: parsePeriod('2027-12').end };

/** A provider with meters, prices and plans on a database of its own, and a clock that is held. */
export class RatingScene {
  readonly clock = new HeldClock(at('2026-11-21T12:00:00Z'));
  readonly ids = new SystemIds();
  readonly outbox = new Outbox();
  readonly database: Database;
  readonly writer: Writer;
  readonly ingest: IngestUsage;
  readonly rollUp: RollUpUsage;
  readonly rate: RateUsage;
  readonly close: ClosePeriod;
  readonly backfills: Backfills;
  readonly preview: PreviewBackfill;
  readonly backTest: BackTestPrice;
  readonly #charges = new ChargeReader();
  #serial = 0;
  #seeded: SeededProvider = { provider: '', account: '' };

  private constructor(readonly db: TestDatabase) {
    this.database = new Database(db.appUrl, 8);
    this.writer = new Writer(db.writerUrl, 8);
    this.ingest = new IngestUsage(this.writer);
    this.rollUp = new RollUpUsage(this.writer, this.outbox, this.clock, { rateAfterMs: 0 });
    this.rate = this.rater();
    this.close = new ClosePeriod(this.database, this.rate, this.rollUp, this.clock);
    this.backfills = new Backfills(this.database, this.writer, this.ids, this.rollUp);
    this.preview = new PreviewBackfill(this.database, this.backfills, this.clock, this.ids);
    this.backTest = new BackTestPrice(this.database, this.clock);
  }

  static async open(): Promise<RatingScene> {
    return new RatingScene(await createTestDatabase());
  }

  async end(): Promise<void> {
    await Promise.all([this.database.close(), this.writer.close()]);
    await this.db.drop();
  }

  /** A provider of the test's own, with account `agent-1`. */
  async begin(now = '2026-11-21T12:00:00Z'): Promise<void> {
    this.clock.time = at(now);
    this.#seeded = await seedProvider(this.db);
  }

  get provider(): string {
    return this.#seeded.provider;
  }

  /** Of `agent-1`. */
  get account(): string {
    return this.#seeded.account;
  }

  rater(): RateUsage {
    return new RateUsage(this.writer, this.database, this.clock, this.ids, this.rollUp);
  }

  async another(name: string): Promise<string> {
    const id = this.ids.next('acct');
    await this.database.forProvider(this.provider, (tx) =>
      tx.account.create({ data: { id, providerId: this.provider, name } }),
    );
    return id;
  }

  async meter(
    name: string,
    aggregation: Meter['aggregation'],
    more: Partial<Omit<MeterDefinition, 'provider' | 'name' | 'aggregation'>> = {},
  ): Promise<StoredMeter> {
    const made = await new CreateMeter(this.database, this.ids, this.clock).run({
      provider: this.provider,
      name,
      aggregation,
      unit: 'unit',
      ...more,
    });
    return made.meter;
  }

  price(meter: string, price: TestPrice | string, effectiveAt?: string) {
    return new CreatePrice(this.database, this.outbox, this.clock, this.ids).run({
      provider: this.provider,
      meter,
      ...specOf(typeof price === 'string' ? { definition: { rate: price } } : price),
      ...(effectiveAt === undefined ? {} : { effectiveAt: at(effectiveAt) }),
    });
  }

  override(meter: string, price: TestPrice | undefined, from?: string, account = 'agent-1') {
    return new OverridePrice(this.database, this.outbox, this.clock, this.ids).run({
      provider: this.provider,
      account,
      meter,
      ...(price === undefined ? {} : { price: specOf(price) }),
      ...(from === undefined ? {} : { from: at(from) }),
    });
  }

  plan(name: string, items: readonly object[], modifiers?: object, asset: Pick<Asset, 'id' | 'decimals'> = USDC) {
    return new CreatePlan(this.database, this.clock, this.ids).run({
      provider: this.provider,
      name,
      items,
      asset,
      ...(modifiers === undefined ? {} : { modifiers }),
    });
  }

  revise(plan: string, items: readonly object[], modifiers?: object) {
    return new RevisePlan(this.database, this.clock, this.ids).run({
      provider: this.provider,
      plan,
      items,
      asset: USDC,
      ...(modifiers === undefined ? {} : { modifiers }),
    });
  }

  move(plan: string | undefined, from?: string, account = 'agent-1') {
    return new MoveAccount(this.database, this.outbox, this.clock).run({
      provider: this.provider,
      account,
      plan,
      ...(from === undefined ? {} : { from: at(from) }),
    });
  }

  migrate(plan: string, to: { readonly to?: string; readonly at?: string }) {
    return new MigratePlan(this.database, this.outbox, this.clock).run({
      provider: this.provider,
      plan,
      ...(to.to === undefined ? {} : { to: to.to }),
      ...(to.at === undefined ? {} : { at: at(to.at) }),
    });
  }

  /** Sends one event; answers its id. Its source is `/t`. */
  async use(type: string, time: string, data?: SentEvent['data'], subject = 'agent-1'): Promise<string> {
    this.#serial += 1;
    const event: SentEvent = { source: '/t', id: `e${this.#serial}`, type, subject, time, data };
    const result = await this.ingest.run({ provider: this.provider, events: [event], now: this.clock.now() });
    expect(result.verdicts).toMatchObject([{ verdict: 'accepted' }]);
    return event.id;
  }

  void(id: string) {
    return new VoidEvent(this.writer, this.rollUp).run({
      provider: this.provider,
      source: '/t',
      id,
      now: this.clock.now(),
    });
  }

  amend(id: string, data: SentEvent['data']) {
    return new AmendEvent(this.writer, this.rollUp).run({
      provider: this.provider,
      source: '/t',
      id,
      data,
      now: this.clock.now(),
    });
  }

  /** What was sent so far becomes quantities, and charges. */
  async settle(): Promise<void> {
    await this.rollUp.run({ through: 'now' });
    await this.rate.run();
    // What an account owes without a meter follows from the others.
    await this.rate.run();
  }

  /** All charges of an account, having checked that they, their revisions and the ledger agree. */
  async charges(account = this.account): Promise<Charge[]> {
    return this.database.forProvider(this.provider, async (tx) => {
      const charges = await this.#charges.of(tx, account, EVER);
      const balances = await new LedgerReader().balances(tx, { account });
      const owed = balances.reduce((sum, { debits, credits }) => sum + debits - credits, 0n);
      expect(owed).toBe(charges.reduce((sum, { atomic }) => sum + atomic, 0n));
      const [history] = await tx.$queryRaw<{ amount: string }[]>`
        SELECT coalesce(sum(amount_change), 0)::text AS amount FROM charge_revisions WHERE account_id = ${account}`;
      expect(history?.amount).toBe(owed.toString());
      return charges;
    });
  }

  /** Charges as [service start, quantity, atomic amount]. */
  async charged(account = this.account): Promise<string[][]> {
    return (await this.charges(account)).map(({ service, quantity, atomic }) => [
      formatInstant(service.start).slice(0, 13),
      formatDecimal(quantity),
      atomic.toString(),
    ]);
  }

  /** What an account owes, atomic units. */
  async owed(account = this.account): Promise<bigint> {
    return (await this.charges(account)).reduce((sum, { atomic }) => sum + atomic, 0n);
  }

  dueRows(): Promise<{ meter_id: string; due_at: Date; problem: string | null }[]> {
    return this.writer.query('SELECT meter_id, due_at, problem FROM rating_due WHERE provider_id = $1 ORDER BY 1', [
      this.provider,
    ]);
  }
}
