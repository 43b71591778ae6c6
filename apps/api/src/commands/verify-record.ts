import { readFile } from 'node:fs/promises';
import { argv, exit, stderr, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import type { JSONWebKeySet } from 'jose';
import { z } from 'zod';
import { type ClaimedRequest, judgeRecord } from '../record-verdict.js';

const USAGE = `Checks a signed usage record: its signature, and its charge by the price in it.

  verify:record <url or file of a record> [--jwks <url or file of the keys>]
      [--request-method POST --request-url https://… [--request-body <file>]]   also proves what it was paid for

A record is at <api>/v1/payments/<id>/record, its keys at <api>/.well-known/jwks.json. Keys that were saved check records without
a network. Without --jwks the keys are read where the record was read, or where it says they are.

Ends with 0 when everything holds, 1 when something is false, 2 when it could not be checked.`;

const WITHIN_MS = 10_000;
/** Longest record or set of keys. */
const MOST_CHARACTERS = 1_000_000;

/** It could not be checked; said without a stack. */
class Unable extends Error {}

const isUrl = (place: string): boolean => /^https?:\/\//i.test(place);

async function textOf(place: string): Promise<string> {
  const text = isUrl(place) ? await fetched(place) : await read(place);
  if (text.length > MOST_CHARACTERS) throw new Unable(`${place} is longer than any record or set of keys.`);
  return text.trim();
}

async function fetched(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(WITHIN_MS) }).catch((error: unknown) => {
    throw new Unable(`${url} cannot be reached: ${messageOf(error)}`);
  });
  const text = await response.text();
  if (!response.ok) throw new Unable(`${url} answers ${response.status}: ${text.slice(0, 300)}`);
  return text;
}

const read = (file: string): Promise<string> =>
  readFile(file, 'utf8').catch((error: unknown) => {
    throw new Unable(`${file} cannot be read: ${messageOf(error)}`);
  });

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Where the keys are, if nobody says: where the record is, or at the host that its key names. */
function keysPlace(recordPlace: string, jws: string): string {
  if (isUrl(recordPlace)) return new URL('/.well-known/jwks.json', recordPlace).href;
  const host = /^did:web:([^:#]+)#/.exec(keyIdOf(jws))?.[1];
  if (host === undefined) throw new Unable('The record does not say where its keys are: name them with --jwks.');
  const name = decodeURIComponent(host);
  const scheme = /^(?:localhost|127\.0\.0\.1)(?::|$)/.test(name) ? 'http' : 'https';
  return `${scheme}://${name}/.well-known/jwks.json`;
}

function keyIdOf(jws: string): string {
  try {
    const header: unknown = JSON.parse(Buffer.from(jws.split('.')[0] ?? '', 'base64url').toString());
    return z.object({ kid: z.string() }).parse(header).kid;
  } catch {
    return '';
  }
}

const keySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })) });

function keysOf(text: string, place: string): JSONWebKeySet {
  try {
    return keySet.parse(JSON.parse(text));
  } catch {
    throw new Unable(`${place} is no set of keys (a JSON object with "keys").`);
  }
}

async function main(): Promise<number> {
  const { values, positionals } = readArguments();
  const [place] = positionals;
  if (values.help || place === undefined) {
    stdout.write(`${USAGE}\n`);
    return values.help ? 0 : 2;
  }
  const jws = await textOf(place);
  const keys = values.jwks ?? keysPlace(place, jws);
  const verdict = await judgeRecord(jws, keysOf(await textOf(keys), keys), await claimedOf(values));
  stdout.write(`${verdict.lines.join('\n')}\n`);
  stdout.write(verdict.holds ? `\nEverything holds, by the keys of ${keys}.\n` : '\nThis record is false.\n');
  return verdict.holds ? 0 : 1;
}

async function claimedOf(values: ReturnType<typeof readArguments>['values']): Promise<ClaimedRequest | undefined> {
  const { 'request-method': method = 'GET', 'request-url': url, 'request-body': file } = values;
  if (url === undefined) return undefined;
  if (!URL.canParse(url)) throw new Unable('--request-url has to be the absolute URL that was asked for.');
  const body = file === undefined ? undefined : await readFile(file).catch(() => undefined);
  if (file !== undefined && body === undefined) throw new Unable(`${file} cannot be read.`);
  return { method: method.toUpperCase(), url, body };
}

function readArguments() {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: argv.slice(2),
      allowPositionals: true,
      options: {
        jwks: text,
        'request-method': text,
        'request-url': text,
        'request-body': text,
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new Unable(`${messageOf(error)}\n\n${USAGE}`);
  }
}

main().then(exit, (error: unknown) => {
  stderr.write(`${error instanceof Unable ? `Could not be checked. ${error.message}` : String(error)}\n`);
  exit(2);
});
