import type Stripe from 'stripe';
import { invalidRequest } from './errors.js';
import { pageSize } from './listing.js';
import type { Call } from './call.js';
import type { Shelf } from './state.js';

interface Searchable {
  readonly id: string;
  readonly created?: number;
  readonly metadata?: Stripe.Metadata | null;
}

type Clause<T> = (object: T) => boolean;

/** field, operator, value: `status:"succeeded"`, `metadata["order"]:'7'`, `-amount>100`, `metadata["order"]:null`. */
const CLAUSE = /^\s*(-)?([a-z_]+)(?:\[(["'])(.+?)\3\])?\s*(:|~|>=|<=|>|<)\s*(?:"([^"]*)"|'([^']*)'|(null|-?\d+))/;

/**
 * A page of a search. The stand-in finds what was just written; the real search lags behind by a minute or more, so nothing
 * may be decided from finding nothing.
 */
export function searched<T extends Searchable>(
  { params, path, world }: Call,
  shelf: Shelf<T>,
  fields: Readonly<Record<string, (object: T) => string | number | null>>,
): Stripe.ApiSearchResult<T> {
  params.only('query', 'limit', 'page');
  const matches = parse(params.need('query'), fields);
  const limit = pageSize(params.whole('limit'));
  const visible = world.clock.seconds() - Math.floor(world.searchLagMs / 1000);
  const found = Object.values(shelf)
    .reverse()
    .filter((object) => (object.created ?? 0) <= visible && matches(object));
  const from = params.whole('page') ?? 0;
  const more = found.length > from + limit;
  return {
    object: 'search_result',
    data: found.slice(from, from + limit),
    has_more: more,
    next_page: more ? String(from + limit) : null,
    url: path,
  };
}

function parse<T extends Searchable>(
  query: string,
  fields: Readonly<Record<string, (object: T) => string | number | null>>,
): Clause<T> {
  const clauses: Clause<T>[] = [];
  const joints = new Set<string>();
  let rest = query.trim();
  for (;;) {
    const found = CLAUSE.exec(rest);
    if (found === null) throw invalidRequest(`We were unable to parse your search query near: ${rest}`, 'query');
    clauses.push(clause(found, fields));
    rest = rest.slice(found[0].length).trim();
    if (rest === '') break;
    const joint = /^(AND|OR)\s/i.exec(rest);
    if (joint?.[1] === undefined) throw invalidRequest(`Expected AND or OR near: ${rest}`, 'query');
    joints.add(joint[1].toUpperCase());
    rest = rest.slice(joint[0].length);
  }
  if (joints.size > 1) throw invalidRequest('AND and OR cannot be mixed in one search query.', 'query');
  return joints.has('OR')
    ? (object) => clauses.some((holds) => holds(object))
    : (object) => clauses.every((holds) => holds(object));
}

function clause<T extends Searchable>(
  [, not, field = '', , key, operator, quoted, alsoQuoted, bare]: RegExpExecArray,
  fields: Readonly<Record<string, (object: T) => string | number | null>>,
): Clause<T> {
  const read = field === 'metadata' ? (object: T) => object.metadata?.[key ?? ''] ?? null : fields[field];
  if (read === undefined) throw invalidRequest(`Field \`${field}\` is an unsupported search field.`, 'query');
  const wanted = bare === 'null' ? null : (quoted ?? alsoQuoted ?? bare ?? '');
  const holds = (object: T): boolean => {
    const actual = read(object);
    if (wanted === null || actual === null) return actual === wanted;
    if (operator === ':') return String(actual).toLowerCase() === wanted.toLowerCase();
    if (operator === '~') return String(actual).toLowerCase().includes(wanted.toLowerCase());
    const [left, right] = [Number(actual), Number(wanted)];
    if (operator === '>') return left > right;
    if (operator === '<') return left < right;
    return operator === '>=' ? left >= right : left <= right;
  };
  return not === undefined ? holds : (object) => !holds(object);
}
