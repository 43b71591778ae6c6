/**
 * Every fault the product throws, by code, with the HTTP status a door renders it with. A code is part of the API:
 * renaming one breaks callers.
 */
export const FAULT_STATUS = {
  invalid_request: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  payload_too_large: 413,
  unsupported_media_type: 415,
  unprocessable: 422,
  too_many_requests: 429,
  invariant_broken: 500,
  internal: 500,
  unavailable: 503,
} as const;

export type FaultCode = keyof typeof FAULT_STATUS;

interface FaultOptions {
  /** Machine-readable detail within the code, e.g. `unknown_meter`. Shown to the caller. */
  readonly reason?: string;
  /** Values that help the caller mend the request. Shown to the caller: no secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
  /** Whether the same request may succeed later without a change. Defaults to true for 429 and 503 only. */
  readonly retryable?: boolean;
  /** Seconds after which a retry makes sense; becomes `Retry-After`. */
  readonly retryAfterSeconds?: number;
}

/**
 * Bad news that is not an expected outcome of a command. `message` is public: it says what is wrong and what to do about
 * it. The cause is for logs only.
 */
export class Fault extends Error {
  readonly code: FaultCode;
  readonly reason: string | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;
  readonly retryable: boolean;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: FaultCode, message: string, options: FaultOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Fault';
    this.code = code;
    this.reason = options.reason;
    this.details = options.details;
    this.retryable = options.retryable ?? (code === 'too_many_requests' || code === 'unavailable');
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  /** The HTTP status this fault is rendered with. */
  get status(): number {
    return FAULT_STATUS[this.code];
  }
}
