import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { settle } from '../exchange.js';
import type { Paywall } from '../paywall.js';
import type { PricedCall } from '../priced-call.js';
import { StreamedCall } from '../streamed-call.js';
import { HeldResponse } from './held-response.js';
import { StreamedResponse } from './streamed-response.js';

/** Puts the paywall between a handler and its response, from here to the end of the answer. */
export function hold(
  paywall: Paywall,
  call: PricedCall,
  res: ServerResponse,
  keep: OutgoingHttpHeaders,
  measured: () => string | undefined,
): { fail(): Promise<void> } {
  const limit = paywall.settings.maxReplyBytes;
  if (call instanceof StreamedCall) return new StreamedResponse(res, call, { limit, keep });
  return new HeldResponse(res, { limit, keep, settle: (outcome) => settle(paywall, call, measured, outcome) });
}
