import type { BalanceRail, CheckoutRail, ReturnsRail } from '@core/collections';
import type { IdSource } from '@core/ids';
import type { Clock } from '@core/time';
import type { Ledger } from '@features/ledger';
import { IssueGrant, VoidGrant } from '@features/wallet';
import { Announce } from '@features/webhooks';
import type { Database, Writer } from '@platform/database';
import { ImportBalance } from './balance/import-balance.js';
import { SettleCheckouts } from './checkouts/settle-checkouts.js';
import type { CollectionCommands } from './collection-commands.js';
import { TakeDispute } from './disputes/take-dispute.js';
import type { Handled, StripeEventHandler, StripeEventHandlers } from './events/stripe-event-handlers.js';
import { ForgetMethods } from './methods/forget-methods.js';
import type { StoredMethods } from './methods/stored-methods.js';
import { SendCardRefunds } from './refunds/send-card-refunds.js';

/** What follows the Stripe account beside the collecting of statements. */
export interface StripeAccountCommands {
  readonly checkouts: SettleCheckouts;
  readonly balance: ImportBalance;
  readonly disputes: TakeDispute;
  readonly refunds: SendCardRefunds;
  readonly forget: ForgetMethods;
  readonly handlers: StripeEventHandlers;
}

export function stripeAccountCommands(parts: {
  readonly writer: Writer;
  readonly database: Database;
  readonly rails: { readonly checkout: CheckoutRail; readonly balance: BalanceRail; readonly returns: ReturnsRail };
  readonly methods: StoredMethods;
  readonly collecting: Pick<CollectionCommands, 'reversals' | 'pastDue'>;
  readonly ledger: Ledger;
  readonly ids: IdSource;
  readonly clock: Clock;
}): StripeAccountCommands {
  const { writer, database, rails, methods, collecting, ledger, ids, clock } = parts;
  const announce = new Announce(ids);
  const issue = new IssueGrant(database, ids);
  const voids = new VoidGrant(database, ids);
  const { reversals, pastDue } = collecting;
  const commands = {
    checkouts: new SettleCheckouts(writer, rails.checkout, methods, issue, ledger, announce),
    balance: new ImportBalance(writer, rails.balance, ledger, clock),
    disputes: new TakeDispute(
      writer,
      database,
      rails.returns,
      reversals,
      methods,
      pastDue,
      voids,
      ledger,
      announce,
      ids,
    ),
    refunds: new SendCardRefunds(writer, rails.returns, ledger, announce),
    forget: new ForgetMethods(writer, rails.checkout),
  };
  return { ...commands, handlers: handlersOf(commands, { writer, rail: rails.checkout, methods }) };
}

/** Whatever happened, the object is fetched; of what is not ours nothing is known. */
function handlersOf(
  { checkouts, balance, disputes, refunds }: Omit<StripeAccountCommands, 'handlers' | 'forget'>,
  { writer, rail, methods }: { readonly writer: Writer; readonly rail: CheckoutRail; readonly methods: StoredMethods },
): StripeEventHandlers {
  const counted = (ended: number): Handled => ({ outcome: ended > 0 ? 'applied' : 'ignored' });
  const page: StripeEventHandler = async ({ object }) => counted(await checkouts.run(object.id));
  const dispute: StripeEventHandler = ({ object }) => disputes.run(object.id);
  const refund: StripeEventHandler = async ({ object }) => counted(await refunds.run(object.id));
  const books: StripeEventHandler = async () => counted((await balance.run()).imported);
  const detached: StripeEventHandler = async ({ object }) => {
    const seen = await rail.readMethod(object.id);
    if (seen.kind !== 'fetched') return { outcome: seen.kind === 'refused' ? 'ignored' : 'busy' };
    if (seen.method.customer !== undefined) return { outcome: 'ignored' };
    const of = { stripeMethod: object.id };
    await writer.transaction((tx) => methods.endByStripe(tx, of, 'detached', 'detached at Stripe'));
    return { outcome: 'applied' };
  };
  const mandate: StripeEventHandler = async ({ object }) => {
    const seen = await rail.readMandate(object.id);
    if (seen.kind !== 'fetched') return { outcome: seen.kind === 'refused' ? 'ignored' : 'busy' };
    if (seen.active) return { outcome: 'ignored' };
    await writer.transaction((tx) => methods.endByStripe(tx, { mandate: object.id }, 'dead', 'mandate_inactive'));
    return { outcome: 'applied' };
  };
  return {
    'checkout.session.completed': [page],
    'checkout.session.expired': [page],
    'checkout.session.async_payment_succeeded': [page],
    'checkout.session.async_payment_failed': [page],
    'payment_method.detached': [detached],
    'mandate.updated': [mandate],
    'charge.dispute.created': [dispute],
    'charge.dispute.updated': [dispute],
    'charge.dispute.closed': [dispute],
    'charge.dispute.funds_withdrawn': [dispute],
    'charge.dispute.funds_reinstated': [dispute],
    'refund.created': [refund],
    'refund.updated': [refund],
    'refund.failed': [refund],
    'payout.created': [books],
    'payout.paid': [books],
    'payout.failed': [books],
    'balance.available': [books],
  };
}
