import type { Server } from './process.mjs';

/** A server of ours has a process; one named by REDIS_URL, or none at all, has none and is not stopped. */
export type Redis =
  | (Server & { readonly url: string; readonly port: number; readonly how: string })
  | { readonly url: string | undefined; readonly how: string; readonly pid?: undefined; stop(): Promise<void> };

/**
 * Finds a Redis in this order: the given URL, `valkey-server` or `redis-server` on PATH, the distribution's package
 * unpacked without root into the cache folder. Without any, `url` is undefined and the queues belong on PostgreSQL.
 * `how` is a sentence saying which it was. `FAREBOX_NO_APT=1` leaves the package out.
 * @param options.given the value of REDIS_URL; the environment is not read for it
 * @param options.persist keep an append-only file in `dir`
 * @param options.cache default: `.data/cache`
 */
export function startRedis(options: {
  dir: string;
  port?: number;
  persist?: boolean;
  cache?: string;
  given?: string | undefined;
}): Promise<Redis>;
