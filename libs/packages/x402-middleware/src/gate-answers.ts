import type {
  CaptureDecision,
  CheckDecision,
  ExtendDecision,
  PaymentView,
  VoidDecision,
  WireReply,
} from './contract.js';

/**
 * The gate's answers, read strictly: what is not exactly a decision is garbage, and garbage never serves. Each reader gives
 * nothing for garbage. Fields that a newer gate adds are kept.
 */
type Json = Readonly<Record<string, unknown>>;

export function readCheck(answer: unknown): CheckDecision | undefined {
  if (!isObject(answer)) return undefined;
  const { decision, payment, captureWithinSeconds, reply } = answer;
  if (decision === 'serve')
    return isPayment(payment) && typeof captureWithinSeconds === 'number'
      ? { decision, payment, captureWithinSeconds }
      : undefined;
  const isAnswer = decision === 'pay' || decision === 'replay' || decision === 'refuse';
  return isAnswer && isReply(reply) ? { decision, reply } : undefined;
}

export function readCapture(answer: unknown): CaptureDecision | undefined {
  if (!isObject(answer) || !isPayment(answer.payment)) return undefined;
  const { decision, payment, headers, reply } = answer;
  if (decision === 'release') return isHeaders(headers) ? { decision, payment, headers } : undefined;
  return decision === 'withhold' && isReply(reply) ? { decision, payment, reply } : undefined;
}

/**
 * What the gate said about a stream. `captureWithinSeconds` of a `go`: the payment now lasts so long from when it was asked. Absent: its
 * time was not prolonged, as that of a signed transfer is not.
 */
export type Extension = ExtendDecision & { readonly captureWithinSeconds?: number };

export function readExtend(answer: unknown): Extension | undefined {
  if (!isObject(answer) || !isPayment(answer.payment)) return undefined;
  const { decision, payment, reason, captureWithinSeconds } = answer;
  if (decision === 'go')
    return typeof captureWithinSeconds === 'number'
      ? { decision, payment, captureWithinSeconds }
      : { decision, payment };
  return decision === 'stop' && typeof reason === 'string' ? { decision, payment, reason } : undefined;
}

export function readVoid(answer: unknown): VoidDecision | undefined {
  return isObject(answer) && isPayment(answer.payment) ? { payment: answer.payment } : undefined;
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const PAYMENT_TEXTS = ['id', 'status', 'account', 'payer', 'network', 'asset', 'amount', 'statusUrl'] as const;

function isPayment(value: unknown): value is PaymentView {
  return isObject(value) && PAYMENT_TEXTS.every((name) => typeof value[name] === 'string' && value[name] !== '');
}

function isReply(value: unknown): value is WireReply {
  if (!isObject(value)) return false;
  const { status, headers, body } = value;
  const isStatus = typeof status === 'number' && Number.isInteger(status) && status >= 200 && status <= 599;
  return isStatus && isHeaders(headers) && typeof body === 'string' && isBase64(body);
}

const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Printable ASCII, spaces and tabs: nothing that could end a header early. */
const HEADER_VALUE = /^[\t\x20-\x7e]*$/;

function isHeaders(value: unknown): value is Readonly<Record<string, string>> {
  if (!isObject(value)) return false;
  return Object.entries(value).every(
    ([name, text]) => HEADER_NAME.test(name) && typeof text === 'string' && HEADER_VALUE.test(text),
  );
}

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}
