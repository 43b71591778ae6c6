import type { ApplyStripeEvents, CollectionCommands, StripeAccountCommands } from '@features/collections';
import type { Logger } from '@platform/telemetry';

/** What collecting needs, where there is a Stripe account. */
export interface CollectionParts {
  readonly commands: Pick<CollectionCommands, 'open' | 'collect'>;
  readonly account: Omit<StripeAccountCommands, 'handlers'>;
  readonly events: Pick<ApplyStripeEvents, 'run'>;
}

/** Collecting as the queue and the schedules call it. Without a Stripe account it does nothing but mark what is past due. */
export class CollectionLoop {
  constructor(
    private readonly parts: CollectionParts | undefined,
    private readonly markPastDue: CollectionCommands['markPastDue'],
    private readonly logger: Logger,
  ) {}

  /** Works on what is due. */
  async collect(): Promise<void> {
    if (this.parts) this.#report(await this.parts.commands.collect.run());
  }

  /** Opens what has become due, works on it, and marks what nothing is on its way for. */
  async round(): Promise<void> {
    await this.parts?.commands.open.run();
    await this.collect();
    await this.markPastDue.run();
  }

  async applyEvents(): Promise<void> {
    if (this.parts) this.#report(await this.parts.events.run());
  }

  /** What an account's holders did on pages of Stripe's, and refunds on their way. */
  async followAccount(): Promise<void> {
    const account = this.parts?.account;
    if (!account) return;
    await account.checkouts.run();
    await account.refunds.run();
    await account.forget.run();
  }

  /** Stripe's own books, and the disputes that they tell of. */
  async importBooks(): Promise<void> {
    const account = this.parts?.account;
    if (!account) return;
    await account.balance.run();
    this.#report({ alarms: await account.disputes.sweep() });
  }

  #report({ alarms }: { readonly alarms: readonly string[] }): void {
    for (const alarm of alarms) this.logger.error({ alarm: true }, alarm);
  }
}
