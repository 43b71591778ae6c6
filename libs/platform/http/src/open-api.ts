import { z } from 'zod';
import { JSON_TYPE, type Operation } from './operation.js';
import { PROBLEM_TYPE } from './problems.js';

export interface ApiTitle {
  readonly title: string;
  readonly version: string;
  readonly description: string;
  /** Where the API is reached. */
  readonly url: string;
}

type Json = Record<string, unknown>;

const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string().describe('What is wrong and what to do about it.'),
  code: z.string().describe('The kind of problem; stable.'),
  reason: z.string().optional().describe('The problem within its kind; stable.'),
  instance: z.string().describe('The request id, also in x-request-id.'),
});

/** The OpenAPI 3.1 document of all operations. Schemas are those that check the requests. */
export function openApiOf(operations: readonly Operation[], about: ApiTitle): Json {
  const paths: Record<string, Json> = {};
  for (const operation of operations) {
    const path = operation.path.replaceAll(/:([A-Za-z]+)/g, '{$1}');
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: describe(operation) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: about.title,
      version: about.version,
      description: about.description,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: about.url }],
    tags: [...new Set(operations.map(({ area }) => area))].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer', bearerFormat: 'fbx_<live|test>_<id>_<secret>' } },
      schemas: { Problem: schemaOf(problem) },
      responses: {
        Problem: {
          description: 'A problem document (RFC 9457).',
          content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
    },
  };
}

function describe(operation: Operation): Json {
  const { access, body } = operation;
  return {
    operationId: operationIdOf(operation),
    tags: [operation.area],
    summary: operation.summary,
    description: [operation.description, accessInWords(access)].filter(Boolean).join('\n\n'),
    security: access === 'public' ? [] : access.optional ? [{}, { key: [] }] : [{ key: [] }],
    parameters: [
      ...parametersOf('path', operation.params),
      ...parametersOf('query', operation.query),
      ...idempotencyKey(operation),
    ],
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: contentOf(operation.mediaTypes ?? [JSON_TYPE], body) } }),
    responses: { ...answersOf(operation), default: { $ref: '#/components/responses/Problem' } },
  };
}

const operationIdOf = ({ method, path }: Operation): string =>
  [method.toLowerCase(), ...path.split(/[^A-Za-z0-9]+/).filter((part) => part !== '' && part !== 'v1')]
    .map((part, place) => (place === 0 ? part : part.charAt(0).toUpperCase() + part.slice(1)))
    .join('');

const answersOf = ({ answers }: Operation): Json =>
  Object.fromEntries(
    Object.entries(answers).map(([status, { description, schema, mediaType }]) => [
      status,
      { description, ...(schema ? { content: contentOf([mediaType ?? JSON_TYPE], schema) } : {}) },
    ]),
  );

const contentOf = (mediaTypes: readonly string[], schema: z.ZodType): Json =>
  Object.fromEntries(mediaTypes.map((type) => [type, { schema: schemaOf(schema) }]));

function parametersOf(place: 'path' | 'query', schema: z.ZodType | undefined): Json[] {
  if (!schema) return [];
  const { properties, required } = schemaOf(schema);
  const mandatory: unknown[] = Array.isArray(required) ? required : [];
  const described: object = typeof properties === 'object' && properties !== null ? properties : {};
  return Object.entries(described).map(([name, property]: [string, unknown]) => ({
    name,
    in: place,
    required: place === 'path' || mandatory.includes(name),
    schema: property,
  }));
}

const idempotencyKey = ({ idempotency }: Operation): Json[] =>
  idempotency === undefined
    ? []
    : [
        {
          name: 'Idempotency-Key',
          in: 'header',
          required: false,
          description:
            'Any text of your own, for example a UUID. The same request under the same key runs once; its answer is kept for 24 hours.',
          schema: { type: 'string', minLength: 1, maxLength: 255 },
        },
      ];

/** A schema as what comes in; parts that have no form in JSON Schema are left open. */
function schemaOf(schema: z.ZodType): Json {
  const { $schema: _, ...described } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return described;
}

function accessInWords(access: Operation['access']): string {
  if (access === 'public') return 'No key is needed.';
  return access.optional
    ? `No key is needed; with one of scope \`${access.scope}\` no limit by address applies.`
    : `Needs a key with the scope \`${access.scope}\`.`;
}
