/** An option or a price that cannot work; thrown when the paywall or the route is set up. */
export class InvalidOptionError extends Error {
  readonly code = 'invalid_option';
  override readonly name = 'InvalidOptionError';
}

/**
 * The gate could not be asked, or what it said cannot be understood. Nothing was served. `uncertain`: a capture may have
 * taken effect; presenting the same payment again tells.
 */
export class GateError extends Error {
  readonly code = 'gate_failed';
  override readonly name = 'GateError';

  constructor(
    readonly step: 'check' | 'capture' | 'extend' | 'void',
    why: string,
    /** Status of the gate's answer; absent when there was none. */
    readonly status?: number,
    options?: ErrorOptions,
  ) {
    super(`The gate's ${step} failed: ${why}`, options);
  }
}

/** The paywall stands where it cannot do its work, or the code behind it failed. Nothing was charged. */
export class PaywallError extends Error {
  readonly code = 'paywall_failed';
  override readonly name = 'PaywallError';
}

/** Why a stream was ended: the reason of the signal `call.stopped`. What was used until then is charged. */
export class StreamStoppedError extends Error {
  readonly code = 'stream_stopped';
  override readonly name = 'StreamStoppedError';
}
