/**
 * What a refusal means for the method. dead: it can never be charged again · holder: only its holder can make it work, so trying again
 * without them is of no use · later: may well work another day.
 */
export type DeclineMeaning = 'dead' | 'holder' | 'later';

/** Stripe's decline codes and error codes after which the same method is never tried again. */
const DEAD = new Set([
  // Banks.
  'account_closed',
  'bank_account_closed',
  'bank_account_restricted',
  'bank_account_unusable',
  'debit_not_authorized',
  'incorrect_account_details',
  'invalid_account_number',
  'no_account',
  'payment_method_bank_account_blocked',
  'payment_method_restricted',
  'sepa_unsupported_account',
  // Mandates.
  'mandate_inactive',
  'payment_intent_mandate_invalid',
  'revocation_of_authorization',
  'revocation_of_all_authorizations',
  'stop_payment_order',
  // Cards.
  'expired_card',
  'expired_payment_method',
  'fraudulent',
  'incorrect_number',
  'invalid_account',
  'invalid_number',
  'lost_card',
  'merchant_blacklist',
  'new_account_information_available',
  'pickup_card',
  'restricted_card',
  'security_violation',
  'stolen_card',
  // The method is gone at Stripe.
  'payment_method_not_available',
  'resource_missing',
]);

const HOLDER = new Set([
  'authentication_required',
  'authentication_not_handled',
  'offline_pin_required',
  'online_or_offline_pin_required',
  'payment_intent_authentication_failure',
  'payment_intent_action_required',
  'approve_with_id',
  // Of ours: asked and never answered; asked back.
  'action_expired',
  'disputed',
]);

/** A bank that takes a debit back for one of these may well pay another one. */
const RETURNS_THAT_PASS = new Set(['insufficient_funds', 'bank_cannot_process']);

/** Whether a statement is not tried on a method again, by how it was tried there. Money that was asked back is not asked for again there. */
export const isAvoided = ({ code, isReversed }: { readonly code: string; readonly isReversed: boolean }): boolean =>
  meaningOf(code) !== 'later' || (isReversed && !RETURNS_THAT_PASS.has(code));

/** An unknown code means later: a wrong guess costs a try, not a customer's method. */
export const meaningOf = (code: string): DeclineMeaning =>
  DEAD.has(code) ? 'dead' : HOLDER.has(code) ? 'holder' : 'later';
