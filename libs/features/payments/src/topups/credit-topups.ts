import { Fault } from '@core/faults';
import { cancelRefund, loseTopUp } from '@core/ledger';
import { amount, assetId } from '@core/money';
import type { CrashPoint } from '@core/settlement';
import type { Ledger } from '@features/ledger';
import type { IssueGrant, VoidGrant } from '@features/wallet';
import type { Announce } from '@features/webhooks';
import type { Writer, WriterTx } from '@platform/database';
import { nextStep } from './next-step.js';
import type { TopUp, TopUpState } from './top-up.js';
import { TopUpsStore } from './topups.store.js';

/** What a run did. */
export interface CreditedTopUps {
  readonly credited: number;
  readonly provisional: number;
  readonly failed: number;
}

const MOST = 100;

/**
 * Gives the balance that was bought once its payment is final, or within the provider's cap once it is in a block; takes it back
 * when the payment is proven never to have happened. Each step is one commit: any number of workers, dying anywhere, do it once.
 */
export class CreditTopUps {
  readonly #store: TopUpsStore;

  constructor(
    private readonly writer: Writer,
    private readonly issue: Pick<IssueGrant, 'within'>,
    private readonly voids: Pick<VoidGrant, 'run'>,
    private readonly ledger: Ledger,
    private readonly crash: CrashPoint,
    private readonly announce: Announce,
  ) {
    this.#store = new TopUpsStore(writer);
  }

  /** @throws what the first that could not be decided threw, once the others are done */
  async run(): Promise<CreditedTopUps> {
    const done = { credited: 0, provisional: 0, failed: 0 };
    const failures: unknown[] = [];
    for (let isMore = true; isMore;) {
      const due = await this.#store.due(MOST);
      let decided = 0;
      for (const topUp of due) {
        this.crash.reach('topups.before-credit');
        try {
          const now = await this.#decide(topUp);
          if (!now || now === 'paid') continue;
          done[now] += 1;
          decided += 1;
        } catch (error) {
          // One that cannot be decided holds up no other.
          failures.push(error);
        }
      }
      isMore = due.length === MOST && decided > 0;
    }
    for (const id of await this.#store.wronglyLost(MOST)) {
      await this.writer.transaction((tx) => this.#lose(tx, id));
    }
    if (failures.length > 0) throw failures[0];
    return done;
  }

  /** What it became; undefined when nothing was to be done. */
  async #decide(topUp: TopUp): Promise<TopUpState | undefined> {
    if (topUp.state === 'provisional' && topUp.paymentState === 'failed') await this.#takeBack(topUp);
    return this.writer.transaction(async (tx) => {
      const now = await this.#step(tx, topUp);
      if (now === 'credited' || now === 'failed') await this.#tell(tx, topUp, now);
      return now;
    });
  }

  async #tell(tx: WriterTx, topUp: TopUp, now: 'credited' | 'failed'): Promise<void> {
    const { id, provider, account, asset, payment } = topUp;
    const data = { account, asset, topUp: id, amount: topUp.amount.toString(), payment };
    const about = { provider, object: { id, version: 1 }, once: `topup ${id}` };
    if (now === 'credited') await this.announce.add(tx, { ...about, type: 'topup.credited', data });
    else await this.announce.add(tx, { ...about, type: 'topup.failed', data: { ...data, reason: 'not_paid' } });
  }

  async #step(tx: WriterTx, due: TopUp): Promise<TopUpState | undefined> {
    const locked = await this.#store.lock(tx, due);
    if (!locked) return undefined;
    const { topUp, room } = locked;
    switch (nextStep(topUp, room)) {
      case 'wait':
        return undefined;
      case 'credit':
        return this.#give(tx, topUp, 'credited');
      case 'give':
        return this.#give(tx, topUp, 'provisional');
      case 'keep':
        await this.#store.advance(tx, topUp.id, 'credited', topUp.grant);
        return 'credited';
      case 'fail':
        await this.#store.advance(tx, topUp.id, 'failed', undefined);
        return 'failed';
      case 'take-back':
        await this.#store.advance(tx, topUp.id, 'failed', topUp.grant);
        await this.#cancelRefunds(tx, topUp);
        await this.#lose(tx, topUp.id);
        return 'failed';
    }
  }

  async #give(tx: WriterTx, topUp: TopUp, as: 'provisional' | 'credited'): Promise<TopUpState> {
    const { grant } = await this.issue.within(tx, {
      provider: topUp.provider,
      account: topUp.account,
      asset: assetId(topUp.asset),
      kind: 'paid',
      amount: topUp.amount,
      funding: topUp.id,
      reason: 'balance bought',
    });
    await this.#store.advance(tx, topUp.id, as, grant.id);
    await this.#store.fulfil(tx, topUp);
    this.crash.reach('topups.credited');
    return as;
  }

  /** What is left of the balance goes at once; what open requests have set aside of it goes as they give it back. */
  async #takeBack({ provider, grant }: TopUp): Promise<void> {
    if (grant === undefined) return;
    try {
      await this.voids.run({ provider, grant });
    } catch (error) {
      // All of it is used: nothing is left to take back.
      if (!(error instanceof Fault) || error.reason !== 'grant_ended') throw error;
    }
  }

  async #cancelRefunds(tx: WriterTx, { provider, account, asset, grant }: TopUp): Promise<void> {
    if (grant === undefined) return;
    const cancelled = await this.#store.cancelRefunds(tx, grant);
    const entries = cancelled.map(({ id, cash }) =>
      cancelRefund({ provider, account, refund: id, cash: amount(assetId(asset), cash) }),
    );
    await this.ledger.post(tx, ...entries);
  }

  /** Books as lost what was used of a balance that was never paid, no more and no less. */
  async #lose(tx: WriterTx, id: string): Promise<void> {
    const topUp = await this.#store.lockUsed(tx, id);
    if (!topUp || topUp.used === topUp.lost) return;
    const { provider, account, asset, used, lost, steps } = topUp;
    await this.ledger.post(
      tx,
      loseTopUp({ provider, account, topUp: id, step: steps + 1, change: amount(asset, used - lost) }),
    );
    await this.#store.lose(tx, topUp);
  }
}
