import { COLLECTION_PLACES } from '@core/collections';
import { type AssetId, USD } from '@core/money';
import type { BillingRailName } from '@features/accounts';
import type { FaultKind } from '../../apps/local/src/stripe-stand-in/stripe-stand-in.js';
import { Dice } from '../model/dice.js';
import { faultsAgainstStripe } from './deferred-books.js';
import type { DeferredScene } from './deferred-scene.js';

const HOUR = 3_600_000;
/** Real milliseconds that a call is held, or answered late: the simulated week does not wait for it. */
const HOLD_MS = 30;

/** Everything that the stand-in can do wrong. */
export const KINDS: readonly FaultKind[] = [
  ...(['error_before', 'error_after', 'error_stored', 'hold_before', 'hold_after'] as const),
  ...(['close_before', 'close_after', 'rate_limit', 'conflict', 'slow'] as const),
];

/** What becomes of one account. */
export interface Story {
  readonly rails: readonly BillingRailName[];
  /** Stored one after the other: of each rail the first is preferred. */
  readonly methods: readonly string[];
  readonly asset?: AssetId;
  readonly statements?: number;
  /** What its holder, or its bank, does: looked at now and then until it says that it is done. */
  readonly then?: (campaign: Campaign, of: Actor) => Promise<boolean> | boolean;
}

export interface Actor {
  readonly account: string;
  readonly statements: string[];
  readonly hours: number;
}

/** One seed: what happens when, to whom. */
export class Campaign {
  readonly dice: Dice;
  readonly actors = new Map<string, Actor & { hours: number }>();
  readonly waiting: { readonly at: number; readonly name: string }[] = [];
  readonly acting = new Set<string>();
  readonly alarms: string[] = [];
  hours = 0;

  constructor(
    readonly scene: DeferredScene,
    seed: number,
    readonly stories: Readonly<Record<string, Story>>,
  ) {
    this.dice = new Dice(seed);
  }

  /** The calm before: accounts, and methods that their holders left on the hosted page. */
  async begin(): Promise<void> {
    const { scene, dice } = this;
    for (const [name, { rails, methods, asset, statements = 1, then }] of Object.entries(this.stories)) {
      const account = await scene.account(name, { rails, ...(asset === undefined ? {} : { asset }) });
      for (const method of methods) {
        await scene.holderStores(account, method);
        await scene.workers[0]?.account.checkouts.run();
      }
      this.actors.set(name, { account, statements: [], hours: 0 });
      if (then) this.acting.add(name);
      for (let i = 0; i < statements; i += 1)
        this.waiting.push({ at: i === 0 ? dice.below(12) : dice.below(70), name });
    }
  }

  async storm(hours: number): Promise<void> {
    const { scene, dice } = this;
    scene.standIn.setWebhooks({ copies: 5, shuffleMs: 3 * HOUR, forge: 0.2 });
    scene.standIn.faults.add({ share: 0.2, kinds: KINDS, holdMs: HOLD_MS });
    while (this.hours < hours) {
      const step = dice.of([0.1, 0.5, 1, 3, 6, 12]);
      this.hours += step;
      // For two days none come at all: what is asked for by itself has to do.
      scene.standIn.setWebhooks({ drop: this.hours > 84 && this.hours < 132 ? 1 : 0.2 });
      await this.#issue();
      await this.#act();
      for (const worker of scene.workers)
        if (dice.chance(0.3)) worker.interrupt.armed = COLLECTION_PLACES[dice.below(COLLECTION_PLACES.length)];
      await scene.pass(step * HOUR);
      const asked = dice.chance(0.3) ? scene.issued[dice.below(scene.issued.length)] : undefined;
      const [alarms] = await Promise.all([scene.round(), asked && scene.operatorAsks(asked.statement)]);
      this.alarms.push(...alarms);
    }
    scene.standIn.faults.clear();
    scene.standIn.setWebhooks({ copies: 1, shuffleMs: 0, drop: 0, forge: 0 });
    for (const worker of scene.workers) worker.interrupt.armed = undefined;
  }

  /** Nothing goes wrong any more: what is left comes to its end by itself. Schedules and bank days take three weeks. */
  async calm(days: number): Promise<void> {
    for (let day = 0; day < days; day += 1) {
      await this.#act();
      this.alarms.push(...(await this.scene.days(1, 24)));
    }
    this.alarms.push(...(await this.scene.round()));
  }

  async #issue(): Promise<void> {
    for (const one of this.waiting.filter(({ at }) => at <= this.hours)) {
      this.waiting.splice(this.waiting.indexOf(one), 1);
      const { asset = USD.id } = this.stories[one.name] ?? {};
      const cents = BigInt(this.dice.between(50, 60_000));
      const due = asset === USD.id ? cents : cents * 10_000n + BigInt(this.dice.below(10_000));
      const actor = this.actor(one.name);
      actor.statements.push(await this.scene.issue(actor.account, due, asset));
    }
  }

  async #act(): Promise<void> {
    for (const name of [...this.acting]) {
      const actor = this.actor(name);
      actor.hours = this.hours;
      if (await this.stories[name]?.then?.(this, actor)) this.acting.delete(name);
    }
  }

  actor(name: string): Actor & { hours: number } {
    const actor = this.actors.get(name);
    if (!actor) throw new Error(`nobody is called ${name}`);
    return actor;
  }

  /** All methods of the account behave like another one from now on. */
  async behaves({ account }: Actor, like: string): Promise<boolean> {
    for (const id of await this.scene.methodsOf(account)) this.scene.standIn.drive.behaveLike(id, like);
    return true;
  }

  hasFailed({ account }: Actor): boolean {
    return this.scene.standIn
      .books()
      .charges.some(({ metadata, status }) => metadata.account === account && status === 'failed');
  }

  async endsMandate({ account }: Actor): Promise<boolean> {
    const [bank] = await this.scene.methodsOf(account);
    if (bank !== undefined) this.scene.standIn.drive.endMandate(bank);
    return true;
  }

  decides({ account }: Actor, won: boolean): boolean {
    const { standIn } = this.scene;
    const charges = new Set(
      standIn
        .books()
        .charges.filter(({ metadata }) => metadata.account === account)
        .map(({ id }) => id),
    );
    const open = standIn
      .books()
      .disputes.filter(
        ({ charge, status }) =>
          charges.has(typeof charge === 'string' ? charge : charge.id) && status === 'needs_response',
      );
    for (const { id } of open) standIn.drive.decideDispute(id, { won });
    return open.length > 0;
  }

  returns({ statements }: Actor): boolean {
    const [charge] = statements.flatMap((statement) => this.scene.standIn.successesFor('statement', statement));
    if (charge) this.scene.standIn.drive.returnDebit(charge.id, 'debit_not_authorized');
    return charge !== undefined;
  }

  async hasBought({ account }: Actor): Promise<boolean> {
    const { rows } = await this.scene.owner.query(
      "SELECT 1 FROM checkouts WHERE account_id = $1 AND purpose = 'topup'",
      [account],
    );
    return rows.length > 0;
  }

  /** As soon as we know that it was paid. */
  async givesBack({ statements: [statement = ''] }: Actor): Promise<boolean> {
    const { rows } = await this.scene.owner.query("SELECT 1 FROM statements WHERE id = $1 AND state = 'paid'", [
      statement,
    ]);
    if (rows.length > 0) await this.scene.refund(statement, 17n);
    return rows.length > 0;
  }

  faults(): Promise<string[]> {
    return faultsAgainstStripe(this.scene.owner, this.scene.standIn, this.scene.issued);
  }
}
