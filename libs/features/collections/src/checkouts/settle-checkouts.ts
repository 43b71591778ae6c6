import type { CheckoutRail, CheckoutSeen } from '@core/collections';
import { Fault } from '@core/faults';
import { receiveCheckout } from '@core/ledger';
import { amount, USD } from '@core/money';
import type { Ledger } from '@features/ledger';
import type { IssueGrant } from '@features/wallet';
import type { Announce } from '@features/webhooks';
import type { Writer, WriterTx } from '@platform/database';
import type { StoredMethods } from '../methods/stored-methods.js';
import type { StoredCheckout } from './checkout.js';
import { CheckoutsStore } from './checkouts.store.js';

const MOST = 50;

/**
 * Finds out what became of hosted pages, and does what they were for: a method is stored, balance is given. Only the object that was
 * fetched decides; each page ends in one commit, whoever looks and however often.
 */
export class SettleCheckouts {
  readonly #store = new CheckoutsStore();

  constructor(
    private readonly writer: Writer,
    private readonly rail: CheckoutRail,
    private readonly methods: StoredMethods,
    private readonly issue: Pick<IssueGrant, 'within'>,
    private readonly ledger: Ledger,
    private readonly announce: Announce,
  ) {}

  /**
   * @param about only the page with this id, of Stripe's or ours, now
   * @returns how many pages ended
   */
  async run(about?: string): Promise<number> {
    let ended = 0;
    for (const checkout of await this.#store.take(this.writer, MOST, about)) {
      const seen = await this.#look(checkout);
      if (seen && (await this.#apply(checkout, seen))) ended += 1;
    }
    return ended;
  }

  /** A page of which nothing was heard is asked for again as it was: the key makes it the same one. */
  async #look(checkout: StoredCheckout): Promise<CheckoutSeen | undefined> {
    const { id, body, stripeId } = checkout;
    const answer = await (stripeId === undefined
      ? this.rail.open({ body, key: id })
      : this.rail.readCheckout(stripeId));
    if (answer.kind === 'mismatch') throw new Fault('invariant_broken', `the key of ${id} was used for something else`);
    if (answer.kind === 'fetched') return answer.checkout;
    // Refused for good: it never was a page, so nobody can have gone there.
    if (answer.kind === 'refused' && stripeId === undefined)
      return { id: '', status: 'expired', reference: id, url: undefined, method: undefined, payment: undefined };
    return undefined;
  }

  #apply(checkout: StoredCheckout, seen: CheckoutSeen): Promise<boolean> {
    if (seen.reference !== checkout.id)
      throw new Fault(
        'invariant_broken',
        `the page ${seen.id} is of ${seen.reference ?? 'nobody'}, not of ${checkout.id}`,
      );
    return this.writer.transaction(async (tx) => {
      const locked = await this.#store.lock(tx, checkout.id);
      if (!locked) return false;
      if (seen.id !== '') await this.#store.opened(tx, locked.id, seen.id);
      if (seen.status === 'expired') {
        await this.#store.end(tx, locked.id, 'expired');
        return true;
      }
      if (seen.status === 'open') return false;
      return locked.purpose === 'setup' ? this.#stored(tx, locked, seen) : this.#bought(tx, locked, seen);
    });
  }

  async #stored(tx: WriterTx, { id, provider, account }: StoredCheckout, { method }: CheckoutSeen): Promise<boolean> {
    // A bank account that is proven by small deposits takes days after the page is left.
    if (!method) return false;
    await this.methods.store(tx, { provider, account, seen: method });
    await this.#store.end(tx, id, 'complete');
    return true;
  }

  async #bought(tx: WriterTx, checkout: StoredCheckout, { payment }: CheckoutSeen): Promise<boolean> {
    const { id, provider, account, bought } = checkout;
    if (!bought || !payment || payment.state === 'open' || payment.state === 'debited') return false;
    const topUp = { account, asset: bought.asset, topUp: id, amount: bought.amount.toString() };
    if (payment.state === 'failed') {
      await this.#store.end(tx, id, 'failed');
      const object = { id, version: 1 };
      await this.announce.add(tx, {
        provider,
        type: 'topup.failed',
        object,
        data: { ...topUp, reason: 'payment failed' },
      });
      return true;
    }
    if (payment.cents !== bought.cents || payment.currency !== 'usd')
      throw new Fault(
        'invariant_broken',
        `${id} was paid with ${payment.cents} ${payment.currency}, not with ${bought.cents} usd`,
      );
    const value = amount(bought.asset, bought.amount);
    await this.ledger.post(
      tx,
      receiveCheckout({ provider, account, checkout: id, paid: amount(USD.id, bought.cents), value }),
    );
    const { grant } = await this.issue.within(tx, {
      ...{ provider, account, asset: bought.asset, amount: bought.amount },
      ...{ kind: 'paid' as const, cost: bought.amount, funding: id, key: id },
    });
    await this.#store.end(tx, id, 'complete', { grant: grant.id, intent: payment.intent });
    await this.announce.add(tx, {
      provider,
      type: 'topup.credited',
      object: { id, version: 1 },
      data: { ...topUp, grant: grant.id },
    });
    return true;
  }
}
