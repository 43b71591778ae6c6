import { Fault, type FaultCode, problemOf } from '@core/faults';

export const PROBLEM_TYPE = 'application/problem+json';

export interface RenderedProblem {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Whether it is our own failure and belongs in the log with its cause. */
  readonly ours: boolean;
}

/** A path that exists, but not for the method it was asked with. */
export class WrongMethod extends Error {
  constructor(
    method: string,
    readonly allowed: readonly string[],
  ) {
    super(`${method} is not possible here: use ${allowed.join(' or ')}.`);
  }
}

/** Renders whatever was thrown as a problem document whose `instance` is the request id. */
export function renderProblem(thrown: unknown, requestId: string): RenderedProblem {
  if (thrown instanceof WrongMethod) return renderWrongMethod(thrown, requestId);
  const fault = faultOf(thrown);
  const headers: Record<string, string> = { 'content-type': PROBLEM_TYPE, 'cache-control': 'no-store' };
  if (fault.code === 'unauthenticated') headers['www-authenticate'] = 'Bearer realm="farebox"';
  const retryAfter = fault.retryAfterSeconds ?? (fault.retryable ? 1 : undefined);
  if (retryAfter !== undefined) headers['retry-after'] = String(Math.max(1, Math.ceil(retryAfter)));
  const body = JSON.stringify({ ...problemOf(fault), instance: requestId }, (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
  return { status: fault.status, headers, body, ours: fault.status >= 500 };
}

function renderWrongMethod({ allowed, message }: WrongMethod, requestId: string): RenderedProblem {
  const problem = problemOf(new Fault('not_found', message, { reason: 'method_not_allowed', details: { allowed } }));
  return {
    status: 405,
    headers: { 'content-type': PROBLEM_TYPE, 'cache-control': 'no-store', allow: allowed.join(', ') },
    body: JSON.stringify({ ...problem, status: 405, code: 'method_not_allowed', instance: requestId }),
    ours: false,
  };
}

/** Our own faults pass; what the web server or the framework threw becomes one; the rest is our failure and says no more. */
export function faultOf(thrown: unknown): Fault {
  if (thrown instanceof Fault) return thrown.status === 500 ? failure(thrown) : thrown;
  const code = stringOf(thrown, 'code');
  const known = code === undefined ? undefined : OF_THE_SERVER[code];
  if (known) return new Fault(known[0], known[1], { reason: known[2], cause: thrown });
  const status = statusOf(thrown);
  const generic = status === undefined ? undefined : OF_A_STATUS[status];
  return generic ? new Fault(generic[0], generic[1], { reason: generic[2], cause: thrown }) : failure(thrown);
}

const failure = (cause: unknown): Fault =>
  new Fault(
    'internal',
    'Something failed on our side. Nothing more is said here; it is logged under the request id in `instance`.',
    { cause },
  );

type Told = readonly [code: FaultCode, message: string, reason: string];

const BODY_TOO_LARGE: Told = [
  'payload_too_large',
  'The body is too large: send less at once (events: in batches of at most 4 MiB, all else at most 1 MiB).',
  'body_too_large',
];
const BAD_MEDIA_TYPE: Told = [
  'unsupported_media_type',
  'The body has a media type that is not read here: send JSON with Content-Type: application/json.',
  'unsupported_media_type',
];
const BAD_JSON: Told = [
  'invalid_request',
  'The body is not JSON: check brackets, quotes and commas, and that it was not cut off.',
  'malformed_json',
];
const BAD_URL: Told = [
  'invalid_request',
  'The URL cannot be read: percent-encode what is not a letter, digit or -._~ in its parts.',
  'malformed_url',
];
const BAD_LENGTH: Told = [
  'invalid_request',
  'The body is not as long as its Content-Length says.',
  'invalid_content_length',
];

export const malformedUrl = (): Fault => new Fault(BAD_URL[0], BAD_URL[1], { reason: BAD_URL[2] });

/** Errors of the web server, by their code. */
const OF_THE_SERVER: Readonly<Record<string, Told>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: BODY_TOO_LARGE,
  FST_ERR_CTP_INVALID_MEDIA_TYPE: BAD_MEDIA_TYPE,
  FST_ERR_CTP_EMPTY_JSON_BODY: [
    'invalid_request',
    'The body is empty although its Content-Type is JSON: send JSON, or leave the header out.',
    'missing_body',
  ],
  FST_ERR_CTP_INVALID_JSON_BODY: BAD_JSON,
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: BAD_LENGTH,
  FST_ERR_BAD_URL: BAD_URL,
  FST_ERR_MAX_PARAM_LENGTH: BAD_URL,
};

/** Errors that only say a status, as the framework and the JSON parser throw them. */
const OF_A_STATUS: Readonly<Record<number, Told>> = {
  400: [
    'invalid_request',
    'The request cannot be read: send well-formed JSON, without the keys __proto__ and constructor.',
    'malformed_request',
  ],
  404: ['not_found', 'There is nothing under this path. /openapi.json lists what there is.', 'unknown_path'],
  413: BODY_TOO_LARGE,
  415: BAD_MEDIA_TYPE,
};

const stringOf = (thrown: unknown, name: string): string | undefined => {
  const value: unknown = typeof thrown === 'object' && thrown !== null ? Reflect.get(thrown, name) : undefined;
  return typeof value === 'string' ? value : undefined;
};

function statusOf(thrown: unknown): number | undefined {
  if (typeof thrown !== 'object' || thrown === null) return undefined;
  for (const name of ['statusCode', 'status']) {
    const value: unknown = Reflect.get(thrown, name);
    if (typeof value === 'number') return value;
  }
  return undefined;
}
