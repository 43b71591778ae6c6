import type Stripe from 'stripe';
import { invalidRequest, noSuch } from './errors.js';
import type { Call } from './call.js';
import type { Shelf } from './state.js';

/** A page of a list, newest first, by `limit`, `starting_after`, `ending_before` and the parameters named. */
export function listed<T extends { id: string }>(
  { params, path }: Call,
  shelf: Shelf<T>,
  names: readonly string[],
  filter: (object: T) => boolean,
): Stripe.ApiList<T> {
  params.only(...names, 'limit', 'starting_after', 'ending_before');
  const limit = pageSize(params.whole('limit'));
  const all = Object.values(shelf).reverse();
  const matching = all.filter(filter);
  const after = params.text('starting_after');
  const before = params.text('ending_before');
  let page: T[];
  let more: boolean;
  if (before !== undefined) {
    const newer = matching.slice(0, placeOf(matching, shelf, before, 'ending_before'));
    page = newer.slice(-limit);
    more = newer.length > limit;
  } else {
    const older =
      after === undefined ? matching : matching.slice(placeOf(matching, shelf, after, 'starting_after') + 1);
    page = older.slice(0, limit);
    more = older.length > limit;
  }
  return { object: 'list', data: page, has_more: more, url: path };
}

function placeOf<T extends { id: string }>(matching: T[], shelf: Shelf<T>, id: string, param: string): number {
  const place = matching.findIndex((object) => object.id === id);
  if (place >= 0) return place;
  if (shelf[id] === undefined) throw noSuch('object', id, param);
  throw invalidRequest(`${id} is not in this list.`, param);
}

export function pageSize(asked: number | undefined): number {
  if (asked === undefined) return 10;
  if (asked < 1 || asked > 100)
    throw invalidRequest('limit is between 1 and 100.', 'limit', 'parameter_invalid_integer');
  return asked;
}

/** The id of a field that may hold the object or its id. */
export function idOf(field: string | { readonly id: string } | null | undefined): string | null {
  if (field === null || field === undefined) return null;
  return typeof field === 'string' ? field : field.id;
}

/** True if no such parameter was sent, or the field has that id. */
export function isAsked(
  asked: string | undefined,
  field: string | { readonly id: string } | null | undefined,
): boolean {
  return asked === undefined || idOf(field) === asked;
}
