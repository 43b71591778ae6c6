import type { z } from 'zod';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** What one status of an operation means, for the OpenAPI document. */
export interface Answer {
  readonly description: string;
  readonly schema?: z.ZodType;
  readonly mediaType?: string;
}

/**
 * One thing the API does, said once: the router, the checks of what comes in, who may ask, and the OpenAPI document all
 * follow from it.
 */
export interface Operation {
  readonly method: Method;
  /** Pattern of the path, e.g. `/v1/accounts/:id`. */
  readonly path: string;
  readonly summary: string;
  readonly description?: string;
  /** Groups operations in the documents. */
  readonly area: string;
  /** `public`: no key is asked for. Otherwise a provider key with this scope; `optional`: none need be shown, but one that is has to hold. */
  readonly access: 'public' | { readonly scope: string; readonly optional?: true };
  /** Requests a minute and address of callers without a key. Absent: not limited. */
  readonly perMinute?: number;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  /** The body reaches the route as the bytes that came, unread; `body` is for the document only. For hot routes. */
  readonly raw?: boolean;
  /** Media types a body may have; `application/json` when absent. */
  readonly mediaTypes?: readonly string[];
  /** Largest body in bytes; 1 MiB when absent. */
  readonly bodyLimit?: number;
  /**
   * Honours `Idempotency-Key`. `repeatable`: running it again changes nothing, so a request whose outcome is unknown may run
   * again. `once`: it may not, and the caller is told to look.
   */
  readonly idempotency?: 'repeatable' | 'once';
  readonly answers: Readonly<Record<number, Answer>>;
}

export const JSON_TYPE = 'application/json';
/** One JSON text a line. */
export const LINES_TYPE = 'application/x-ndjson';
export const MEBIBYTE = 1_048_576;

/** All operations of a door, found by method and pattern. */
export class OperationTable {
  readonly #byRoute: ReadonlyMap<string, Operation>;
  readonly #patterns: readonly { readonly expression: RegExp; readonly method: Method }[];

  /** @throws Error when two operations claim one route. */
  constructor(readonly operations: readonly Operation[]) {
    const routes = new Map<string, Operation>();
    for (const operation of operations) {
      const route = `${operation.method} ${operation.path}`;
      if (routes.has(route)) throw new Error(`two operations claim ${route}`);
      routes.set(route, operation);
    }
    this.#byRoute = routes;
    this.#patterns = operations.map(({ path, method }) => ({ method, expression: expressionOf(path) }));
  }

  find(method: string, pattern: string | undefined): Operation | undefined {
    return this.#byRoute.get(`${method === 'HEAD' ? 'GET' : method} ${pattern ?? ''}`);
  }

  /** The methods that a path without its query answers to; empty when the path does not exist. */
  methodsOf(path: string): Method[] {
    return [...new Set(this.#patterns.filter(({ expression }) => expression.test(path)).map(({ method }) => method))];
  }
}

const expressionOf = (path: string): RegExp =>
  new RegExp(`^${path.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(/:[A-Za-z]+/g, '[^/]+')}/?$`);
