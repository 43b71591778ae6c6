import { Fault } from '@core/faults';
import { z } from 'zod';

/** Where in a request a value stands; the first word of every message about it. */
export type Place = 'body' | 'query' | 'path';

export interface FieldProblem {
  /** Dotted path within the place, e.g. `data.value`; empty for the whole of it. */
  readonly field: string;
  readonly problem: string;
}

/** Most problems that are named: a hostile body must not make a long answer. */
const MOST = 20;

/**
 * Reads a part of a request by its schema.
 * @throws Fault invalid_request that names every faulty field and says what it has to be; values are not repeated
 */
export function parse<T extends z.ZodType>(schema: T, value: unknown, place: Place): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues
    .slice(0, MOST)
    .flatMap((issue) => problemsOf(issue, schema))
    .slice(0, MOST);
  if (place === 'body' && value === undefined) {
    throw new Fault('invalid_request', 'The request has no body: send JSON with Content-Type: application/json.', {
      reason: 'missing_body',
    });
  }
  const said = fields.map(({ field, problem }) => (field === '' ? problem : `${field} ${problem}`)).join('; ');
  throw new Fault('invalid_request', `The ${place} of the request needs mending: ${said}.`, {
    reason: `invalid_${place}`,
    details: { fields },
  });
}

function problemsOf(issue: z.core.$ZodIssue, schema: z.ZodType): FieldProblem[] {
  const field = issue.path.map(String).join('.').slice(0, 120);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.slice(0, MOST).map((key) => ({
        field: [field, key.slice(0, 60)].filter(Boolean).join('.'),
        problem: unknownField(issue, schema),
      }));
    case 'invalid_type':
      return [
        {
          field,
          problem: issue.message.endsWith('received undefined') ? 'is required' : `must be ${article(issue.expected)}`,
        },
      ];
    case 'invalid_value':
      return [
        {
          field,
          problem: `must be ${issue.values
            .map(String)
            .join(', ')
            .replace(/, ([^,]*)$/, ' or $1')}`,
        },
      ];
    case 'too_small':
    case 'too_big':
    case 'invalid_format':
    case 'not_multiple_of':
    case 'invalid_union':
    case 'invalid_key':
    case 'invalid_element':
    case 'custom':
      return [{ field, problem: issue.message.replace(/\.$/, '') }];
  }
}

function unknownField(issue: { readonly path: readonly PropertyKey[] }, schema: z.ZodType): string {
  const known = issue.path.length === 0 && schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
  return known.length === 0
    ? 'is not known here: leave it out'
    : `is not known here: leave it out, or did you mean one of ${known.join(', ')}`;
}

const article = (noun: string): string => `${/^[aeio]/.test(noun) ? 'an' : 'a'} ${noun}`;
