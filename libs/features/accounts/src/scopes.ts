/**
 * What a provider key may do. ingest: record usage · gate: check, capture and void paid requests · manage: change settings,
 * keys, meters, prices and accounts · finance: read statements and the ledger · read: read everything else.
 */
export const KEY_SCOPES = ['ingest', 'gate', 'manage', 'finance', 'read'] as const;

export type KeyScope = (typeof KEY_SCOPES)[number];

export const isKeyScope = (text: string): text is KeyScope => KEY_SCOPES.some((scope) => scope === text);
