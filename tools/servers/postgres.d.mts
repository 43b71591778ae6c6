import type { Server } from './process.mjs';

export interface PostgresServer extends Server {
  /** Of the superuser, without a database: `postgresql://postgres@127.0.0.1:5432`. */
  readonly url: string;
  readonly port: number;
  /** Where the data really is; not `dir` when PostgreSQL's account cannot enter that. */
  readonly data: string;
}

/**
 * Starts PostgreSQL 18 on loopback, as root or not, over a folder that is made when it is missing and kept afterwards.
 * Sessions are in UTC. Throws when a server already runs over the folder, or with the log's last lines.
 * @param options.log default: `postgres.log` beside `dir`
 * @param options.durable `false` for tests: no waiting for the disk
 * @param options.settings further settings of the server, by name
 */
export function startPostgres(options: {
  dir: string;
  port?: number;
  log?: string;
  durable?: boolean;
  settings?: Readonly<Record<string, string | number>>;
}): Promise<PostgresServer>;

/** Creates the database when it is missing and returns its URL. */
export function ensureDatabase(serverUrl: string, name: string): Promise<string>;

/** Makes the database one to copy only: nobody can connect to it, so a copy is always possible. */
export function sealTemplate(serverUrl: string, name: string): Promise<void>;

/** Creates a database as a copy of another one and returns its URL. */
export function copyDatabase(serverUrl: string, template: string, name: string): Promise<string>;

/** Ends the sessions of the database and removes it. */
export function dropDatabase(serverUrl: string, name: string): Promise<void>;

/** Throws the data of a stopped server away. */
export function emptyPostgres(dir: string): void;
