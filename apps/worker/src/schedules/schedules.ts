import type { ApplyStatementPayments } from '@features/collections';
import type { RollUpBalances } from '@features/ledger';
import type { MaintainUsage } from '@features/metering';
import type { CreditTopUps, SweepIdentifiers } from '@features/payments';
import type { RateUsage } from '@features/pricing';
import type {
  ConfirmSettlement,
  RegisterSigners,
  SettlementCommands,
  SettlementReader,
  SubmitSettlement,
  SweepSettlement,
  VoidExpired,
} from '@features/settlement';
import type { CloseDue } from '@features/statements';
import type { DeliverWebhooks } from '@features/webhooks';
import type { AnnounceAlerts, ExpireGrants, Holds, RenewGrants } from '@features/wallet';
import type { Writer } from '@platform/database';
import type { OutboxRelay } from '@platform/queues';
import type { Logger } from '@platform/telemetry';
import type { CollectionLoop } from './collection-loop.js';
import { Every, type Schedule } from './every.js';
import type { RollUpLoop } from './roll-up-loop.js';

/** Past so long, work is not left to the queue: Redis may be away. */
const QUEUE_HAD_ITS_CHANCE_SECONDS = 5;

/** A segment of identities fills within half a minute when usage comes in as fast as it can. A look costs next to nothing. */
const MAINTAIN_MS = 15_000;

/** They are kept for a day; a little longer does no harm. */
const SWEEP_IDENTIFIERS_MS = 600_000;

/** Grace is a minute at least, so nobody waits much longer for a statement than the terms say. */
const CLOSE_MS = 30_000;

/** Payouts and balances that become available say so themselves; this is for what nobody tells. */
const IMPORT_BOOKS_MS = 300_000;

/** A withdrawal that was announced is seen within this time; the shortest delay is nine hundred times as long. */
const WATCH_MS = 1_000;

interface Scheduled {
  readonly writer: Writer;
  readonly relay: OutboxRelay;
  readonly register: RegisterSigners;
  readonly submit: SubmitSettlement;
  readonly confirm: ConfirmSettlement;
  readonly sweep: SweepSettlement;
  readonly voidExpired: VoidExpired;
  readonly rate: RateUsage;
  readonly closeDue: Pick<CloseDue, 'run'>;
  readonly rollUpBalances: RollUpBalances;
  readonly maintainUsage: MaintainUsage;
  readonly holds: Pick<Holds, 'expireHolds'>;
  readonly expireGrants: ExpireGrants;
  readonly renewGrants: RenewGrants;
  readonly sweepIdentifiers: SweepIdentifiers;
  readonly creditTopUps: CreditTopUps;
  readonly applyStatementPayments: Pick<ApplyStatementPayments, 'run'>;
  readonly announceAlerts: AnnounceAlerts;
  readonly collecting: CollectionLoop;
  readonly deliverWebhooks: Pick<DeliverWebhooks, 'run' | 'sweep' | 'stop'>;
  /** Not on a timer: the next pass begins as soon as there is need. */
  readonly usage: RollUpLoop;
  readonly reader: SettlementReader;
  /** Absent where channels are not offered. */
  readonly channels: SettlementCommands['channels'];
  /** Absent where nothing is carried for servers that keep channels themselves. */
  readonly relayOrders: SettlementCommands['relay'];
  readonly settings: { readonly chainId: number; readonly pollMs: number };
}

/**
 * What the worker does without being asked. The queue only makes things sooner: everything that waits is found in the database
 * by one of these, within ten seconds, whatever became of the queue.
 */
export class Schedules {
  #running: Every[] = [];
  #stopListening: (() => Promise<void>) | undefined;
  #stopOrders: (() => Promise<void>) | undefined;

  constructor(
    private readonly parts: Scheduled,
    private readonly logger: Logger,
  ) {}

  start(): void {
    const { parts } = this;
    const relay = this.#every({ name: 'relay', everyMs: 1_000, run: () => parts.relay.relay() });
    // Not through the schedule: a job staged while a pass is under way needs a further pass, which the relay sees to.
    this.#stopListening = parts.writer.listen(
      'farebox_outbox',
      () => void parts.relay.relay().catch(() => relay.now()),
    );
    // A signer that is new needs its first nonce from the chain, which may be away at the start.
    this.#every({ name: 'register-signers', everyMs: 5_000, run: () => parts.register.run() });
    this.#every({ name: 'sweep', everyMs: 2_500, run: () => this.#sweep() });
    this.#every({ name: 'confirm', everyMs: parts.settings.pollMs, run: () => this.#confirm() });
    this.#every({ name: 'void-expired', everyMs: 5_000, run: () => parts.voidExpired.run() });
    this.#every({ name: 'expire-holds', everyMs: 2_500, run: () => parts.holds.expireHolds() });
    this.#every({ name: 'expire-grants', everyMs: 5_000, run: () => parts.expireGrants.run() });
    this.#every({ name: 'renew-grants', everyMs: 5_000, run: () => parts.renewGrants.run() });
    this.#every({ name: 'rate-usage', everyMs: 5_000, run: () => parts.rate.run() });
    this.#every({ name: 'close-periods', everyMs: CLOSE_MS, run: () => parts.closeDue.run() });
    this.#every({ name: 'roll-up-balances', everyMs: 5_000, run: () => parts.rollUpBalances.run() });
    this.#every({ name: 'maintain-usage', everyMs: MAINTAIN_MS, run: () => parts.maintainUsage.run() });
    this.#every({ name: 'sweep-identifiers', everyMs: SWEEP_IDENTIFIERS_MS, run: () => parts.sweepIdentifiers.run() });
    this.#every({ name: 'credit-topups', everyMs: parts.settings.pollMs, run: () => parts.creditTopUps.run() });
    this.#every({
      name: 'apply-statement-payments',
      everyMs: parts.settings.pollMs,
      run: () => parts.applyStatementPayments.run(),
    });
    this.#every({ name: 'announce-alerts', everyMs: 2_500, run: () => parts.announceAlerts.run() });
    this.#every({ name: 'deliver-webhooks', everyMs: 1_000, run: () => parts.deliverWebhooks.run() });
    this.#every({ name: 'give-up-webhooks', everyMs: 60_000, run: () => parts.deliverWebhooks.sweep() });
    this.#every({ name: 'collect-statements', everyMs: 5_000, run: () => parts.collecting.round() });
    this.#every({ name: 'apply-stripe-events', everyMs: 2_500, run: () => parts.collecting.applyEvents() });
    this.#every({ name: 'follow-stripe', everyMs: 5_000, run: () => parts.collecting.followAccount() });
    this.#every({ name: 'import-stripe-books', everyMs: IMPORT_BOOKS_MS, run: () => parts.collecting.importBooks() });
    const { channels } = parts;
    if (channels) {
      const { chainId, pollMs } = parts.settings;
      const watchMs = Math.max(pollMs, WATCH_MS);
      this.#every({
        name: 'watch-channels',
        everyMs: watchMs,
        run: async () => this.#report(await channels.watch.run({ chainId })),
      });
      this.#every({
        name: 'claim-channels',
        everyMs: watchMs,
        run: async () => this.#report(await channels.claim.run({ chainId })),
      });
    }
    this.#relayOrders();
    parts.usage.start();
  }

  /** Whoever ordered waits for the answer: a new order is looked at as soon as it is there. */
  #relayOrders(): void {
    const { relayOrders, writer, settings } = this.parts;
    if (!relayOrders) return;
    const { chainId, pollMs } = settings;
    const run = async () => this.#report(await relayOrders.run({ chainId }));
    const every = this.#every({ name: 'relay-orders', everyMs: pollMs, run });
    this.#stopOrders = writer.listen('farebox_relay', () => every.now());
  }

  #every(schedule: Schedule): Every {
    const every = new Every(schedule, this.logger);
    this.#running.push(every);
    return every;
  }

  async #confirm(): Promise<void> {
    const { chainId } = this.parts.settings;
    if (await this.parts.reader.hasOpen(chainId)) this.#report(await this.parts.confirm.run({ chainId }));
  }

  async #sweep(): Promise<void> {
    for (const { chainId, queue, seconds } of await this.parts.sweep.run()) {
      if (seconds < QUEUE_HAD_ITS_CHANCE_SECONDS) continue;
      const command = queue === 'submit-settlement' ? this.parts.submit : this.parts.confirm;
      this.#report(await command.run({ chainId }));
    }
  }

  #report({ alarms }: { readonly alarms: readonly string[] }): void {
    for (const alarm of alarms) this.logger.error({ alarm: true }, alarm);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#stopListening?.(), this.#stopOrders?.()]);
    const { parts } = this;
    await Promise.all([parts.usage.stop(), ...this.#running.map((every) => every.stop())]);
    this.#running = [];
    await parts.deliverWebhooks.stop();
  }
}
