import { encodeText } from './base64.js';
import type { WireReply } from './contract.js';

/** An answer of the paywall's own, as `application/problem+json` (RFC 9457). */
export function problem(status: number, title: string, detail: string, headers: WireReply['headers'] = {}): WireReply {
  const body = JSON.stringify({ type: 'about:blank', title, status, detail });
  return {
    status,
    headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store', ...headers },
    body: encodeText(body),
  };
}

export const unavailable = (detail: string): WireReply =>
  problem(503, 'Payment gate unavailable', detail, { 'retry-after': '5' });

export const handlerFailed = (): WireReply =>
  problem(
    500,
    'Internal Server Error',
    'The request failed. It was not charged; the same payment may be presented again.',
  );
