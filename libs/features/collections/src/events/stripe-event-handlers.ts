import type { ConfirmAttempt } from '../confirm-attempt.js';

/** An event as a handler sees it: that something happened to an object, which is to be fetched. */
export interface StripeHint {
  /** `evt_…` */
  readonly id: string;
  readonly type: string;
  readonly object: { readonly id: string; readonly kind: string };
}

/**
 * What a handler made of it. ignored: of no concern · unknown: of an object that is not ours, or not yet · busy: somebody else is at it.
 * Alarms are logged by the caller.
 */
export interface Handled {
  readonly outcome: 'applied' | 'ignored' | 'unknown' | 'busy';
  readonly alarms?: readonly string[];
}

/** Fetches the object and goes on from what it says; never from what the event says. */
export type StripeEventHandler = (hint: StripeHint) => Promise<Handled>;

/** Which types concern whom. Several may look at one: an intent may collect a statement or buy a top-up. */
export type StripeEventHandlers = Readonly<Record<string, readonly StripeEventHandler[]>>;

/** Handlers of several features, type by type. */
export function allHandlers(...tables: readonly StripeEventHandlers[]): StripeEventHandlers {
  const all: Record<string, readonly StripeEventHandler[]> = {};
  for (const table of tables)
    for (const [type, handlers] of Object.entries(table)) all[type] = [...(all[type] ?? []), ...handlers];
  return all;
}

/** What collecting wants to know of. */
export function collectionHandlers(confirm: Pick<ConfirmAttempt, 'run'>): StripeEventHandlers {
  const look: StripeEventHandler = async ({ object }) => {
    const { outcome, alarms } = await confirm.run({ intent: object.id });
    return { outcome: outcome === 'looked' || outcome === 'settled' ? 'applied' : outcome, alarms };
  };
  return {
    'payment_intent.processing': [look],
    'payment_intent.succeeded': [look],
    'payment_intent.payment_failed': [look],
    'payment_intent.requires_action': [look],
    'payment_intent.canceled': [look],
  };
}
