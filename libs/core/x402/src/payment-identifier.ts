import type { PaymentPayload } from './payload.js';

/** Extension by which a client names a payment, so that asking for it again cannot pay for it again. */
export const PAYMENT_IDENTIFIER = 'payment-identifier';

const FORM = '^[a-zA-Z0-9_-]+$';
const LEAST = 16;
const MOST = 128;
const PATTERN = new RegExp(FORM);

/** What a challenge says of it: a name is taken and none is asked for. Clients echo all of it, so it is short. */
export const PAYMENT_IDENTIFIER_DECLARATION = {
  info: { required: false },
  schema: {
    type: 'object',
    properties: {
      required: { type: 'boolean' },
      id: { type: 'string', minLength: LEAST, maxLength: MOST, pattern: FORM },
    },
    required: ['required'],
  },
} as const;

type IdentifierReading =
  { readonly ok: true; readonly identifier: string | undefined } | { readonly ok: false; readonly message: string };

/**
 * The identifier a payment carries; undefined where the extension was echoed without one, or not at all. What stands in
 * its place and is none is refused: a client that believes itself safe has to learn that it is not.
 */
export function paymentIdentifierOf({ extensions }: Pick<PaymentPayload, 'extensions'>): IdentifierReading {
  const info = fieldOf(extensions?.[PAYMENT_IDENTIFIER], 'info');
  const identifier = fieldOf(info, 'id');
  if (identifier === undefined || identifier === null) return { ok: true, identifier: undefined };
  const fits =
    typeof identifier === 'string' &&
    identifier.length >= LEAST &&
    identifier.length <= MOST &&
    PATTERN.test(identifier);
  if (fits) return { ok: true, identifier };
  return {
    ok: false,
    message: `extensions["${PAYMENT_IDENTIFIER}"].info.id has to be ${LEAST} to ${MOST} letters, digits, - or _`,
  };
}

const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
