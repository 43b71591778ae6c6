import type Stripe from 'stripe';

/** The body of an error as the API sends it: `{ error: ... }`. Written as data, so that it can be stored for a replay. */
export interface ErrorBody {
  readonly type: 'api_error' | 'card_error' | 'idempotency_error' | 'invalid_request_error' | 'rate_limit_error';
  readonly message: string;
  readonly code?: string;
  readonly decline_code?: string;
  readonly param?: string;
  readonly charge?: string;
  readonly doc_url?: string;
  payment_intent?: Stripe.PaymentIntent;
  payment_method?: Stripe.PaymentMethod;
  setup_intent?: Stripe.SetupIntent;
}

/**
 * An answer of the LOCAL STAND-IN that is not a success. `begun` says that execution had begun: such an answer is stored
 * under the idempotency key and replayed; a request that did not pass validation leaves nothing behind.
 */
export class StandInError extends Error {
  constructor(
    readonly status: number,
    readonly body: ErrorBody,
    readonly begun: boolean,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(body.message);
    this.name = 'StandInError';
  }
}

/** 400: the request itself is wrong. Nothing was done and nothing is stored. */
export function invalidRequest(message: string, param?: string, code?: string): StandInError {
  return new StandInError(400, { type: 'invalid_request_error', message, param, code }, false);
}

/** 404 for an id in the path, as for any object that the account does not have. */
export function noSuch(what: string, id: string, param = 'id'): StandInError {
  return new StandInError(
    404,
    { type: 'invalid_request_error', code: 'resource_missing', message: `No such ${what}: '${id}'`, param },
    false,
  );
}

/** 400: the object is not in a state in which this can be done. Execution had begun, so the answer is stored. */
export function wrongState(code: string, message: string, objects: Partial<ErrorBody> = {}): StandInError {
  return new StandInError(400, { ...objects, type: 'invalid_request_error', code, message }, true);
}

/** 402: the bank of the payer said no. */
export function cardError(body: Omit<ErrorBody, 'type'>): StandInError {
  return new StandInError(402, { ...body, type: 'card_error' }, true);
}

export function unauthorized(message: string): StandInError {
  return new StandInError(401, { type: 'invalid_request_error', message }, false);
}

export function otherBodyForKey(key: string): StandInError {
  return new StandInError(
    400,
    {
      type: 'idempotency_error',
      message: `Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '${key}' if you meant to execute a different request.`,
    },
    false,
  );
}

export function keyInUse(key: string): StandInError {
  return new StandInError(
    409,
    {
      type: 'idempotency_error',
      code: 'idempotency_key_in_use',
      message: `There is currently another in-progress request using this Idempotent Key: ${key}. Please try again later.`,
    },
    false,
    { 'stripe-should-retry': 'true' },
  );
}
