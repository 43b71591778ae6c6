import { BullModule, getQueueToken } from '@nestjs/bullmq';
import { type DynamicModule, Module } from '@nestjs/common';
import type { Queue } from 'bullmq';
import { CrashPoint, SettlementRail, type SettlementPlace } from '@core/settlement';
import { BATCH_CONTRACTS } from '@core/x402';
import { ApplyStatementPayments, openApplyStatementPayments } from '@features/collections';
import { Ledger, RollUpBalances } from '@features/ledger';
import { MaintainUsage, RollUpUsage } from '@features/metering';
import { CreditTopUps, SweepIdentifiers } from '@features/payments';
import { RateUsage } from '@features/pricing';
import {
  ConfirmSettlement,
  RegisterSigners,
  settlementCommands,
  SettlementReader,
  SubmitSettlement,
  SweepSettlement,
  VoidExpired,
} from '@features/settlement';
import { CloseDue } from '@features/statements';
import { Announce, DeliverWebhooks } from '@features/webhooks';
import { AnnounceAlerts, ExpireGrants, Holds, IssueGrant, RenewGrants, VoidGrant } from '@features/wallet';
import { EvmChannelChain, UsdcRail } from '@platform/chain';
import type { Config } from '@platform/config';
import { Database, Writer } from '@platform/database';
import { Outbox, OutboxRelay, queueConnection, QUEUES } from '@platform/queues';
import { CrashPoints, SystemClock, SystemIds } from '@platform/system';
import { type Logger, Metrics } from '@platform/telemetry';
import { Health } from './health.js';
import { Lifecycle } from './lifecycle.js';
import { collectionLoopOf } from './collecting.js';
import { ApplyStripeEventsProcessor } from './processors/apply-stripe-events.processor.js';
import { CollectStatementsProcessor } from './processors/collect-statements.processor.js';
import { ConfirmSettlementProcessor } from './processors/confirm-settlement.processor.js';
import { DeliverWebhooksProcessor } from './processors/deliver-webhooks.processor.js';
import { requireOneForEachQueue } from './processors/one-for-each-queue.js';
import { RateUsageProcessor } from './processors/rate-usage.processor.js';
import { SubmitSettlementProcessor } from './processors/submit-settlement.processor.js';
import { CollectionLoop } from './schedules/collection-loop.js';
import { RollUpLoop } from './schedules/roll-up-loop.js';
import { Schedules } from './schedules/schedules.js';
import { UsageFigures } from './usage-figures.js';
import { deliverWebhooksOf } from './webhooks.js';
import { WorkerMetrics } from './worker-metrics.js';

const PROCESSORS = [
  SubmitSettlementProcessor,
  ConfirmSettlementProcessor,
  RateUsageProcessor,
  DeliverWebhooksProcessor,
  CollectStatementsProcessor,
  ApplyStripeEventsProcessor,
];
const QUEUE_TOKENS = QUEUES.map((name) => getQueueToken(name));
const GWEI = 1_000_000_000n;

class ArmedCrashPoint extends CrashPoint {
  constructor(private readonly points: CrashPoints) {
    super();
  }
  reach(place: SettlementPlace): void {
    this.points.reach(place);
  }
}

/** The commands of settlement, made together: they share the stores and the rail. */
class Settling {
  constructor(readonly commands: ReturnType<typeof settlementCommands>) {}
}

/** What the worker is made of. Ports of core get their technology here and nowhere else. */
@Module({})
export class WorkerModule {
  static forConfig(config: Config, logger: Logger): DynamicModule {
    requireOneForEachQueue(PROCESSORS);
    const queue = queueConnection(config);
    return {
      module: WorkerModule,
      imports: [BullModule.forRoot({ ...queue }), ...QUEUES.map((name) => BullModule.registerQueue({ name }))],
      providers: [
        { provide: Writer, useFactory: () => new Writer(config.DATABASE_WRITER_URL, config.DATABASE_POOL) },
        { provide: Database, useFactory: () => new Database(config.DATABASE_URL, config.DATABASE_POOL) },
        { provide: SettlementRail, useFactory: () => railOf(config) },
        {
          provide: Settling,
          inject: [Writer, SettlementRail],
          useFactory: async (db: Writer, rail: SettlementRail) =>
            new Settling(
              settlementCommands({
                db,
                rail,
                ledger: new Ledger(),
                ids: new SystemIds(),
                crash: new ArmedCrashPoint(new CrashPoints(config.CRASH_AT)),
                terms: {
                  batch: config.SETTLE_BATCH,
                  windowMs: config.SETTLE_WINDOW_MS,
                  pollMs: config.CHAIN_POLL_MS,
                  replaceAfterMs: config.REPLACE_AFTER_SECONDS * 1_000,
                  feeCap: BigInt(config.MAX_FEE_PER_GAS_GWEI) * GWEI,
                  owner: `worker ${process.pid}`,
                },
                ...(await channelsOf(config)),
              }),
            ),
        },
        { provide: SubmitSettlement, inject: [Settling], useFactory: ({ commands }: Settling) => commands.submit },
        { provide: ConfirmSettlement, inject: [Settling], useFactory: ({ commands }: Settling) => commands.confirm },
        {
          provide: RateUsage,
          inject: [Writer, Database, RollUpUsage],
          useFactory: (writer: Writer, database: Database, rollUp: RollUpUsage) =>
            new RateUsage(writer, database, new SystemClock(), new SystemIds(), rollUp),
        },
        {
          provide: ApplyStatementPayments,
          inject: [Writer, Database],
          useFactory: (writer: Writer, database: Database) =>
            openApplyStatementPayments({ writer, database, ledger: new Ledger(), ids: new SystemIds() }),
        },
        {
          provide: CreditTopUps,
          inject: [Writer, Database],
          useFactory: (writer: Writer, database: Database) => creditTopUpsOf(config, writer, database),
        },
        {
          provide: DeliverWebhooks,
          inject: [Writer],
          useFactory: (writer: Writer) => deliverWebhooksOf(config, writer, logger),
        },
        { provide: Metrics, useFactory: () => new Metrics() },
        {
          provide: RollUpUsage,
          inject: [Writer],
          useFactory: (writer: Writer) =>
            new RollUpUsage(writer, new Outbox(), new SystemClock(), { rateAfterMs: config.RATE_AFTER_MS }),
        },
        {
          provide: RollUpLoop,
          inject: [RollUpUsage, Metrics],
          useFactory: (rollUp: RollUpUsage, metrics: Metrics) =>
            new RollUpLoop({ rollUp, figures: new UsageFigures(metrics, new SystemClock()), logger }),
        },
        { provide: SettlementReader, inject: [Writer], useFactory: (db: Writer) => new SettlementReader(db) },
        { provide: OutboxRelay, inject: [Writer], useFactory: (db: Writer) => new OutboxRelay(db, queue) },
        {
          provide: SubmitSettlementProcessor,
          inject: [SubmitSettlement],
          useFactory: (submit: SubmitSettlement) => new SubmitSettlementProcessor(submit, logger),
        },
        {
          provide: ConfirmSettlementProcessor,
          inject: [ConfirmSettlement],
          useFactory: (confirm: ConfirmSettlement) => new ConfirmSettlementProcessor(confirm, logger),
        },
        {
          provide: RateUsageProcessor,
          inject: [RateUsage],
          useFactory: (rate: RateUsage) => new RateUsageProcessor(rate, logger),
        },
        {
          provide: DeliverWebhooksProcessor,
          inject: [DeliverWebhooks],
          useFactory: (deliver: DeliverWebhooks) => new DeliverWebhooksProcessor(deliver, logger),
        },
        {
          provide: CollectionLoop,
          inject: [Writer, Database],
          useFactory: (writer: Writer, database: Database) => collectionLoopOf(config, writer, database, logger),
        },
        {
          provide: CollectStatementsProcessor,
          inject: [CollectionLoop],
          useFactory: (loop: CollectionLoop) => new CollectStatementsProcessor(loop, logger),
        },
        {
          provide: ApplyStripeEventsProcessor,
          inject: [CollectionLoop],
          useFactory: (loop: CollectionLoop) => new ApplyStripeEventsProcessor(loop, logger),
        },
        {
          provide: Schedules,
          inject: [
            Writer,
            OutboxRelay,
            SettlementRail,
            SubmitSettlement,
            ConfirmSettlement,
            RateUsage,
            SettlementReader,
            RollUpLoop,
            Settling,
            CreditTopUps,
            DeliverWebhooks,
            CollectionLoop,
            ApplyStatementPayments,
          ],
          useFactory: (
            writer: Writer,
            relay: OutboxRelay,
            rail: SettlementRail,
            submit: SubmitSettlement,
            confirm: ConfirmSettlement,
            rate: RateUsage,
            reader: SettlementReader,
            usage: RollUpLoop,
            { commands }: Settling,
            creditTopUps: CreditTopUps,
            deliverWebhooks: DeliverWebhooks,
            collecting: CollectionLoop,
            applyStatementPayments: ApplyStatementPayments,
          ) =>
            new Schedules(
              {
                writer,
                relay,
                submit,
                confirm,
                rate,
                closeDue: new CloseDue(writer, rate, new SystemIds(), new CrashPoints(config.CRASH_AT)),
                reader,
                register: new RegisterSigners(writer, rail),
                sweep: new SweepSettlement(writer),
                voidExpired: new VoidExpired(writer),
                rollUpBalances: new RollUpBalances(writer),
                maintainUsage: new MaintainUsage(writer),
                holds: new Holds(writer, new SystemIds()),
                expireGrants: new ExpireGrants(writer, new SystemIds(), new SystemClock()),
                renewGrants: new RenewGrants(writer, new SystemIds(), new SystemClock()),
                sweepIdentifiers: new SweepIdentifiers(writer),
                creditTopUps,
                applyStatementPayments,
                deliverWebhooks,
                collecting,
                announceAlerts: new AnnounceAlerts(writer, new SystemIds()),
                usage,
                channels: commands.channels,
                relayOrders: commands.relay,
                settings: { chainId: config.CHAIN_ID, pollMs: config.CHAIN_POLL_MS },
              },
              logger,
            ),
        },
        {
          provide: Health,
          inject: [SettlementReader, SettlementRail, Metrics, ...QUEUE_TOKENS],
          useFactory: (reader: SettlementReader, rail: SettlementRail, metrics: Metrics, ...queues: Queue[]) => {
            // Without a listener BullMQ prints a lost connection to the console; it connects again by itself.
            for (const queue of queues)
              queue.on('error', (error) => logger.debug({ err: error }, 'the queue cannot be reached'));
            const gauges = new WorkerMetrics(metrics, reader, queues, config.CHAIN_ID);
            return new Health({ reader, rail, queues, metrics, gauges, chainId: config.CHAIN_ID });
          },
        },
        {
          provide: Lifecycle,
          inject: [Schedules, Health, OutboxRelay, Writer, Database],
          useFactory: (schedules: Schedules, health: Health, relay: OutboxRelay, writer: Writer, database: Database) =>
            new Lifecycle(schedules, health, relay, writer, database),
        },
      ],
    };
  }
}

/** Time is the database's, as for all that changes a wallet. */
const creditTopUpsOf = (config: Config, writer: Writer, database: Database): CreditTopUps =>
  new CreditTopUps(
    writer,
    new IssueGrant(database, new SystemIds()),
    new VoidGrant(database, new SystemIds()),
    new Ledger(),
    new ArmedCrashPoint(new CrashPoints(config.CRASH_AT)),
    new Announce(new SystemIds()),
  );

const railOf = (config: Config): UsdcRail =>
  new UsdcRail({
    rpcUrl: config.CHAIN_RPC_URL,
    chainId: config.CHAIN_ID,
    multicall: config.MULTICALL_ADDRESS,
    relayerKeys: config.RELAYER_KEYS ?? [],
    finality: config.CHAIN_FINALITY,
  });

/** Channels of the gate are claimed where a key signs for them; those of other servers need none of ours. */
async function channelsOf(
  config: Config,
): Promise<Pick<Parameters<typeof settlementCommands>[0], 'channels' | 'relay'>> {
  const chain = await EvmChannelChain.create({
    rpcUrl: config.CHAIN_RPC_URL,
    chainId: config.CHAIN_ID,
    multicall: config.MULTICALL_ADDRESS,
    contracts: BATCH_CONTRACTS,
    relayerKeys: config.RELAYER_KEYS ?? [],
    authorizerKey: config.CHANNEL_AUTHORIZER_KEY,
    finality: config.CHAIN_FINALITY,
  });
  const terms = { minValue: BigInt(config.CLAIM_MIN), maxAgeMs: config.CLAIM_AFTER_SECONDS * 1_000 };
  return { channels: config.CHANNEL_AUTHORIZER_KEY === undefined ? undefined : { chain, terms }, relay: chain };
}
