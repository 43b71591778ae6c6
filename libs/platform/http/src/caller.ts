import { Fault } from '@core/faults';
import type { FastifyRequest } from 'fastify';

/** Who asks: a provider, by one of its keys. */
export interface Caller {
  readonly provider: string;
  /** `key_…` */
  readonly key: string;
  readonly scopes: readonly string[];
  /** `live` or `test`, as the key says. */
  readonly environment: string;
}

export type CallerCheck =
  | { readonly outcome: 'authenticated'; readonly caller: Caller }
  | { readonly outcome: 'refused'; readonly reason: string };

/** Tells who presents a key. Bound by the app, as providers' keys are the business of a feature. */
export abstract class KeyCheck {
  /** @throws Fault unavailable when it cannot be told: then nobody is let in. */
  abstract check(key: string): Promise<CallerCheck>;
}

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller | undefined;
  }
}

/** The caller of a request to an operation that asks for a key. */
export function callerOf(request: FastifyRequest): Caller {
  if (!request.caller) throw new Fault('invariant_broken', 'an operation without a key asked who its caller is');
  return request.caller;
}

const HOW = 'Send the header "Authorization: Bearer fbx_…" with a provider key.';

const REFUSALS: Readonly<Record<string, string>> = {
  malformed: `The key does not have the form of one; it may have been cut off when it was copied. ${HOW}`,
  unknown: `The key is not known: check that it is whole and meant for this server. ${HOW}`,
  revoked: 'The key has been revoked: use another one, or make one with POST /v1/keys or the keys command.',
  expired: 'The key has expired: make a new one with POST /v1/keys or the keys command.',
};

/**
 * Who presents `authorization`, if they may use this scope.
 * @throws Fault unauthenticated (no key, or none that holds), forbidden (a key without the scope)
 */
export async function authenticate(check: KeyCheck, authorization: string | undefined, scope: string): Promise<Caller> {
  if (authorization === undefined)
    throw new Fault('unauthenticated', `This needs a key. ${HOW}`, { reason: 'missing_key' });
  const key = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
  const checked = key === undefined ? ({ outcome: 'refused', reason: 'malformed' } as const) : await check.check(key);
  if (checked.outcome === 'refused') {
    throw new Fault('unauthenticated', REFUSALS[checked.reason] ?? HOW, { reason: `${checked.reason}_key` });
  }
  const { caller } = checked;
  if (!caller.scopes.includes(scope)) {
    throw new Fault(
      'forbidden',
      `The key lacks the scope "${scope}": use a key that has it, or make one with POST /v1/keys.`,
      {
        reason: 'missing_scope',
        details: { required: scope, granted: caller.scopes },
      },
    );
  }
  return caller;
}
