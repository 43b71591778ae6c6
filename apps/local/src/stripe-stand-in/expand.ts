import { invalidRequest } from './errors.js';
import type { State } from './state.js';

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** The copy of an object that goes into an answer: plain JSON, with ids replaced by objects where `expand` asks for it. */
export function expanded(state: State, object: object, paths: readonly string[]): Json {
  const answer = toJson(object);
  for (const path of paths) {
    if (path.split('.').length > 4) throw invalidRequest('You cannot expand more than 4 levels.', 'expand');
    follow(state, answer, path.split('.'), path);
  }
  return answer;
}

function follow(state: State, at: Json, [key, ...rest]: readonly string[], path: string): void {
  if (key === undefined || at === null) return;
  if (Array.isArray(at)) {
    for (const item of at) follow(state, item, [key, ...rest], path);
    return;
  }
  if (typeof at !== 'object') return;
  if (key === 'data' && at.object === 'list' && Array.isArray(at.data)) {
    for (const item of at.data) follow(state, item, rest, path);
    return;
  }
  if (key === 'line_items' && at.object === 'checkout.session' && typeof at.id === 'string') {
    const items = state.sessionWishes[at.id]?.lineItems ?? [];
    at.line_items = {
      object: 'list',
      data: toJson(items),
      has_more: false,
      url: `/v1/checkout/sessions/${at.id}/line_items`,
    };
    return;
  }
  const value = at[key];
  if (value === undefined) {
    throw invalidRequest(`This property cannot be expanded (${key}).`, 'expand');
  }
  if (typeof value === 'string') at[key] = lookUp(state, value, key);
  follow(state, at[key] ?? null, rest, path);
}

function lookUp(state: State, id: string, key: string): Json {
  const shelf = shelfOf(state, id);
  const object = shelf?.[id];
  if (object === undefined) throw invalidRequest(`This property cannot be expanded (${key}).`, 'expand');
  return toJson(object);
}

function shelfOf(state: State, id: string): Readonly<Record<string, object>> | undefined {
  const shelves: Readonly<Record<string, Readonly<Record<string, object>>>> = {
    cus: state.customers,
    pm: state.paymentMethods,
    mandate: state.mandates,
    seti: state.setupIntents,
    pi: state.paymentIntents,
    ch: state.charges,
    py: state.charges,
    re: state.refunds,
    pyr: state.refunds,
    du: state.disputes,
    txn: state.balanceTransactions,
    po: state.payouts,
    cs: state.sessions,
  };
  return shelves[id.split('_')[0] ?? ''];
}

function toJson(object: object): Json {
  return JSON.parse(JSON.stringify(object)) as Json;
}
