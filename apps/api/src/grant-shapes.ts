import { GRANT_KINDS, grantState, remainingOf } from '@core/wallet';
import type { Instant } from '@core/time';
import type { StoredGrant } from '@features/wallet';
import { z } from 'zod';
import { optionalTime, shown, time } from './fields.js';

/** Grants as the API shows them. */

const recurrenceShown = z.object({
  every: z.enum(['day', 'week', 'month']),
  until: shown.time.optional(),
  rollover: z.object({ min: shown.atomic, max: shown.atomic }).optional(),
  keepsOverage: z.boolean(),
});

export const grant = z.object({
  id: z.string(),
  account: z.string(),
  asset: z.string(),
  kind: z.enum(GRANT_KINDS),
  state: z.enum(['pending', 'active', 'exhausted', 'expired', 'voided']),
  amount: shown.atomic.describe('What was given at first, and what a renewal fills it up to.'),
  cost: shown.atomic.describe('What was paid for it.'),
  granted: shown.atomic,
  consumed: shown.atomic,
  expired: shown.atomic,
  voided: shown.atomic,
  refunded: shown.atomic,
  remaining: shown.atomic.describe('granted - consumed - expired - voided - refunded.'),
  held: shown.atomic.describe('The part of what remains that open holds have set aside.'),
  priority: z.int(),
  effectiveAt: shown.time,
  expiresAt: shown.time.optional().describe('The first instant at which it is no longer good.'),
  scope: z.array(z.string()).optional().describe('Names of the meters it may be spent on; absent: all.'),
  funding: z.string().optional().describe('What paid for it.'),
  reason: z.string().optional(),
  recurrence: recurrenceShown.optional(),
  renewsAt: shown.time.optional(),
  createdAt: shown.time,
});

export const grantView = (stored: StoredGrant, now: Instant) => ({
  id: stored.id,
  account: stored.account,
  asset: stored.asset,
  kind: stored.kind,
  state: grantState(stored, now),
  amount: stored.amount.toString(),
  cost: stored.cost.toString(),
  granted: stored.granted.toString(),
  consumed: stored.consumed.toString(),
  expired: stored.expired.toString(),
  voided: stored.voided.toString(),
  refunded: stored.refunded.toString(),
  remaining: remainingOf(stored).toString(),
  held: stored.held.toString(),
  priority: stored.priority,
  effectiveAt: time(stored.effectiveAt),
  expiresAt: optionalTime(stored.expiresAt),
  scope: stored.scope,
  funding: stored.funding,
  reason: stored.reason,
  recurrence: stored.recurrence && {
    every: stored.recurrence.every,
    until: optionalTime(stored.recurrence.until),
    rollover: stored.recurrence.rollover && {
      min: stored.recurrence.rollover.min.toString(),
      max: stored.recurrence.rollover.max.toString(),
    },
    keepsOverage: stored.recurrence.keepsOverage,
  },
  renewsAt: optionalTime(stored.renewsAt),
  createdAt: time(stored.createdAt),
});
