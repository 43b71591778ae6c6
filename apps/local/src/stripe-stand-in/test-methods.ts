/** Why a bank debit comes back. `blocks`: no further debit of this account will be tried, and its mandate ends. */
export interface DebitFailure {
  readonly code: string;
  readonly networkCode: string;
  readonly message: string;
  readonly blocks: boolean;
}

export interface TestMethod {
  readonly type: 'card' | 'us_bank_account' | 'sepa_debit';
  readonly brand?: string;
  readonly last4: string;
  /** Said in the hosted page. */
  readonly what: string;
  /** The bank refuses this card: `code` and `decline_code` of the error. Refused already when attached, unless `attaches`. */
  readonly declined?: { readonly code: string; readonly declineCode: string };
  readonly attaches?: boolean;
  /** 3-D Secure: on every payment, or until it was authenticated once at set-up. */
  readonly authentication?: 'always' | 'until_set_up';
  readonly dispute?: { readonly reason: string; readonly inquiry?: boolean };
  readonly refund?: 'pending' | 'fails';
  /** Funds are available at once instead of in two days. */
  readonly bypassPending?: boolean;
  readonly debit?: 'succeeds' | 'stays_processing' | DebitFailure;
  /** The result of a debit comes after minutes instead of business days. */
  readonly quick?: boolean;
}

const visa = (last4: string, what: string, more: Partial<TestMethod> = {}): TestMethod => ({
  type: 'card',
  brand: 'visa',
  last4,
  what,
  ...more,
});
const declined = (last4: string, declineCode: string, code = 'card_declined'): TestMethod =>
  visa(last4, `declined: ${declineCode}`, { declined: { code, declineCode } });
const bank = (last4: string, what: string, more: Partial<TestMethod> = {}): TestMethod => ({
  type: 'us_bank_account',
  last4,
  what,
  debit: 'succeeds',
  ...more,
});
const failing = (last4: string, code: string, networkCode: string, message: string, blocks: boolean): TestMethod =>
  bank(last4, `fails after days: ${code}`, { debit: { code, networkCode, message, blocks } });
const iban = (what: string, more: Partial<TestMethod> = {}): TestMethod => ({
  type: 'sepa_debit',
  last4: '',
  what,
  debit: 'succeeds',
  ...more,
});

const sepaFails: DebitFailure = {
  code: 'insufficient_funds',
  networkCode: 'AM04',
  message: 'The customer’s account has insufficient funds to cover this payment.',
  blocks: false,
};

/** The documented test methods, by their documented names. */
export const TEST_METHODS: Readonly<Record<string, TestMethod>> = {
  pm_card_visa: visa('4242', 'succeeds'),
  pm_card_visa_debit: visa('5556', 'succeeds'),
  pm_card_mastercard: { ...visa('4444', 'succeeds'), brand: 'mastercard' },
  pm_card_amex: { ...visa('8431', 'succeeds'), brand: 'amex' },
  pm_card_bypassPending: visa('0077', 'succeeds, funds available at once', { bypassPending: true }),
  pm_card_chargeDeclined: declined('0002', 'generic_decline'),
  pm_card_visa_chargeDeclined: declined('0002', 'generic_decline'),
  pm_card_chargeDeclinedInsufficientFunds: declined('9995', 'insufficient_funds'),
  pm_card_visa_chargeDeclinedInsufficientFunds: declined('9995', 'insufficient_funds'),
  pm_card_chargeDeclinedLostCard: declined('9987', 'lost_card'),
  pm_card_chargeDeclinedStolenCard: declined('9979', 'stolen_card'),
  pm_card_chargeDeclinedExpiredCard: declined('0069', 'expired_card', 'expired_card'),
  pm_card_chargeDeclinedIncorrectCvc: declined('0127', 'incorrect_cvc', 'incorrect_cvc'),
  pm_card_chargeDeclinedProcessingError: declined('0119', 'processing_error', 'processing_error'),
  pm_card_chargeDeclinedFraudulent: declined('0019', 'fraudulent'),
  pm_card_chargeCustomerFail: { ...declined('0341', 'generic_decline'), attaches: true, what: 'saved, declined later' },
  pm_card_authenticationRequired: visa('3184', 'asks for authentication on every payment', {
    authentication: 'always',
  }),
  pm_card_threeDSecure2Required: visa('3220', 'asks for authentication on every payment', { authentication: 'always' }),
  pm_card_authenticationRequiredOnSetup: visa('3155', 'asks once', { authentication: 'until_set_up' }),
  pm_card_createDispute: visa('0259', 'disputed as fraudulent', { dispute: { reason: 'fraudulent' } }),
  pm_card_createDisputeProductNotReceived: visa('2685', 'disputed', { dispute: { reason: 'product_not_received' } }),
  pm_card_createDisputeInquiry: visa('1976', 'an inquiry', { dispute: { reason: 'fraudulent', inquiry: true } }),
  pm_card_pendingRefund: visa('7726', 'refunds pend, then succeed', { refund: 'pending' }),
  pm_card_refundFail: visa('5126', 'refunds succeed, then fail', { refund: 'fails' }),
  pm_usBankAccount_success: bank('6789', 'succeeds after days'),
  pm_usBankAccount_processing: bank('0009', 'stays processing', { debit: 'stays_processing' }),
  pm_usBankAccount_dispute: bank('5553', 'succeeds, disputed later', { dispute: { reason: 'debit_not_authorized' } }),
  pm_usBankAccount_insufficientFunds: failing(
    '2227',
    'insufficient_funds',
    'R01',
    'The customer’s account has insufficient funds to cover this payment.',
    false,
  ),
  pm_usBankAccount_accountClosed: failing('1113', 'account_closed', 'R02', 'The bank account has been closed.', true),
  pm_usBankAccount_noAccount: failing('1116', 'no_account', 'R03', 'The bank account could not be located.', true),
  pm_usBankAccount_debitNotAuthorized: failing(
    '3335',
    'debit_not_authorized',
    'R07',
    'The customer has notified their bank that this payment was not authorized.',
    true,
  ),
};

/** The documented account numbers at routing number 110000000. */
export const ACCOUNT_NUMBERS: Readonly<Record<string, string>> = {
  '000123456789': 'pm_usBankAccount_success',
  '000000000009': 'pm_usBankAccount_processing',
  '000111111113': 'pm_usBankAccount_accountClosed',
  '000111111116': 'pm_usBankAccount_noAccount',
  '000222222227': 'pm_usBankAccount_insufficientFunds',
  '000333333335': 'pm_usBankAccount_debitNotAuthorized',
};

/** The documented IBANs. Any other IBAN succeeds. */
export const IBANS: Readonly<Record<string, TestMethod>> = {
  AT611904300234573201: iban('succeeds after days'),
  DE89370400440532013000: iban('succeeds after days'),
  AT321904300235473204: iban('succeeds after three minutes', { quick: true }),
  DE08370400440532013003: iban('succeeds after three minutes', { quick: true }),
  AT861904300235473202: iban('fails after days', { debit: sepaFails }),
  DE62370400440532013001: iban('fails after days', { debit: sepaFails }),
  AT051904300235473205: iban('fails after three minutes', { debit: sepaFails, quick: true }),
  DE78370400440532013004: iban('fails after three minutes', { debit: sepaFails, quick: true }),
  AT591904300235473203: iban('succeeds, disputed later', { dispute: { reason: 'debit_not_authorized' } }),
  DE35370400440532013002: iban('succeeds, disputed later', { dispute: { reason: 'debit_not_authorized' } }),
};

/** By the name kept in the state: the token, or the IBAN. */
export function testMethod(name: string): TestMethod {
  return TEST_METHODS[name] ?? IBANS[name] ?? iban('succeeds after days');
}

/** `tok_visa` is `pm_card_visa`, and so for the others. */
export function tokenOfCard(token: string): string {
  return token.replace(/^tok_/, 'pm_card_');
}

/** The methods a person may pick on the hosted page. */
export function methodsOf(types: readonly string[]): { readonly name: string; readonly what: string }[] {
  return Object.entries({ ...TEST_METHODS, ...IBANS })
    .filter(([, { type }]) => types.includes(type))
    .map(([name, { what }]) => ({ name, what }));
}
