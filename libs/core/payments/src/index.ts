export { PAYMENT_STATES, PAYMENT_TRANSITIONS, UNSETTLED_STATES, advance, type PaymentState } from './states.js';
