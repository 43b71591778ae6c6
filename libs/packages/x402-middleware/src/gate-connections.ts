import type { GateError } from './errors.js';
import type { Settings } from './options.js';

export interface GateMessage {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly timeoutMs: number;
}

/** Status and text of the gate's answer; rejects when there was none in time. */
export type PostToGate = (message: GateMessage) => Promise<{ readonly status: number; readonly text: string }>;

/** One question to the gate. */
export interface GateQuestion {
  /** The last part of its route. */
  readonly step: GateError['step'];
  /** JSON. */
  readonly body: string;
}

export interface GateAnswer {
  readonly status: number;
  /** JSON that was read; of what is none, the beginning of its text. */
  readonly answer: unknown;
}

/** Puts a question to the gate; rejects when there was no answer in time. `isAgain`: it was put before and got none. */
export type AskGate = (question: GateQuestion, isAgain: boolean) => Promise<GateAnswer>;

type Gate = Pick<Settings, 'gate' | 'key' | 'timeoutMs'>;

/** Each question in an exchange of its own. */
export const oneByOne = (settings: Gate, post: PostToGate): AskGate => {
  const headers = gateHeaders(settings, 'application/json');
  return async ({ step, body }) => {
    const { timeoutMs } = settings;
    const { status, text } = await post({ url: `${settings.gate}/${step}`, headers, body, timeoutMs });
    return { status, answer: readJson(text) };
  };
};

export const gateHeaders = ({ key }: Gate, type: string): Readonly<Record<string, string>> => ({
  'content-type': type,
  accept: type,
  authorization: `Bearer ${key}`,
});

/** What a text says; of one that is no JSON, its beginning. */
export function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text.slice(0, 300);
  }
}

/** Posts through `fetch`, the platform's or the provider's own. It follows no redirect: a key does not go to wherever one points. */
export const through =
  (fetchOfOwn: typeof fetch): PostToGate =>
  async ({ url, headers, body, timeoutMs }) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await fetchOfOwn(url, { method: 'POST', headers, body, redirect: 'manual', signal });
    return { status: response.status, text: await response.text() };
  };

/** Looked up when it is used, so that what replaces it later is seen. */
export const platformFetch: typeof fetch = (input, init) => fetch(input, init);
