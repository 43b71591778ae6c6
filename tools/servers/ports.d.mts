/** A port of the loopback address that the system says is free. */
export function freePort(): Promise<number>;

/** Whether nobody listens on the port, on loopback or on all addresses. */
export function isFree(port: number): Promise<boolean>;

/**
 * The preferred port, or the next one above it that is free.
 * @param taken ports given away already but not yet listened on
 */
export function firstFreePort(preferred: number, taken?: readonly number[]): Promise<number>;

/** Whether something accepts a connection there. */
export function answers(port: number, host?: string): Promise<boolean>;
