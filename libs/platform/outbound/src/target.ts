import { isIP } from 'node:net';

/** A URL that may be asked, as far as its text tells; its addresses are checked when it is. */
export type Target =
  { readonly ok: true; readonly url: URL; readonly local: boolean } | { readonly ok: false; readonly why: string };

const PORTS: ReadonlySet<string> = new Set(['', '443', '8443']);

const LOCAL_NAMES: ReadonlySet<string> = new Set(['localhost', '127.0.0.1']);

const refused = (why: string): Target => ({ ok: false, why });

/**
 * Reads a URL that a stranger chose. https to a name, port 443 or 8443, no credentials. `loopback`: this machine may be asked too,
 * by http and at any port, which is for trying things out.
 */
export function targetOf(text: string, loopback: boolean): Target {
  if (!URL.canParse(text)) return refused('is no URL');
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return refused('carries credentials');
  if (LOCAL_NAMES.has(url.hostname)) {
    if (!loopback) return refused('is this machine');
    return url.protocol === 'http:'
      ? { ok: true, url, local: true }
      : refused('is this machine, which is asked by http');
  }
  if (url.protocol !== 'https:') return refused('is not https');
  if (!PORTS.has(url.port)) return refused('has a port other than 443 and 8443');
  if (isIP(url.hostname.replace(/^\[(.*)\]$/, '$1')) !== 0) return refused('is an address rather than a name');
  // A name without a dot, or one that ends in a dot, is looked up within this network first.
  if (!/^[^.]+(?:\.[^.]+)+$/.test(url.hostname)) return refused('is not a full host name');
  return { ok: true, url, local: false };
}
