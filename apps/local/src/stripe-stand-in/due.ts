/** What the clock will bring. Plain data, so that it outlives a restart. */
export type DueWhat =
  | { readonly kind: 'new_day' }
  | { readonly kind: 'charge_posted'; readonly charge: string }
  | { readonly kind: 'debit_result'; readonly charge: string }
  | { readonly kind: 'open_dispute'; readonly charge: string; readonly reason: string }
  | { readonly kind: 'dispute_deadline'; readonly dispute: string }
  | { readonly kind: 'dispute_decision'; readonly dispute: string; readonly won: boolean }
  | { readonly kind: 'refund_result'; readonly refund: string; readonly succeeded: boolean }
  | { readonly kind: 'payout_leaves'; readonly payout: string }
  | { readonly kind: 'payout_arrives'; readonly payout: string }
  | { readonly kind: 'session_expires'; readonly session: string }
  | { readonly kind: 'deliver'; readonly delivery: string };

/** `order` decides between things that are due at the same moment: first planned, first done. */
export type Due = DueWhat & { readonly at: number; readonly order: number };

/** Keeps the queue sorted by time, then by order. */
export function plan(queue: Due[], due: Due): void {
  let low = 0;
  let high = queue.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = queue[middle];
    if (other !== undefined && (other.at < due.at || (other.at === due.at && other.order < due.order)))
      low = middle + 1;
    else high = middle;
  }
  queue.splice(low, 0, due);
}
