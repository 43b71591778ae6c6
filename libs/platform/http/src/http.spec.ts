import { Fault, FAULT_STATUS, type FaultCode } from '@core/faults';
import { IdSource } from '@core/ids';
import { z } from 'zod';
import { createLogger, Metrics } from '@platform/telemetry';
import { type CallerCheck, KeyCheck } from './caller.js';
import { addHotRoutes, bytesOf, type DoorOptions, openDoor } from './door.js';
import { type Operation, OperationTable } from './operation.js';
import { openApiOf } from './open-api.js';
import { parse } from './parse.js';
import { renderProblem, WrongMethod } from './problems.js';

const operation = (method: Operation['method'], path: string): Operation => ({
  method,
  path,
  summary: 'x',
  area: 'x',
  access: 'public',
  answers: { 200: { description: 'x' } },
});

describe('a problem document', () => {
  const rendered = (thrown: unknown) => {
    const { body, ...rest } = renderProblem(thrown, 'req_1');
    const json: Record<string, unknown> = JSON.parse(body);
    return { ...rest, json };
  };

  it.each(Object.entries(FAULT_STATUS))('of %s has the status %i', (code, status) => {
    const { json, ...head } = rendered(new Fault(code as FaultCode, 'Do this.'));
    expect(head.status).toBe(status);
    expect(head.headers['content-type']).toBe('application/problem+json');
    expect(json).toMatchObject({ status, instance: 'req_1', detail: expect.any(String), title: expect.any(String) });
  });

  it('carries reason and details of a fault, integers of any size as text', () => {
    const { json } = rendered(
      new Fault('conflict', 'Take another.', { reason: 'taken', details: { amount: 2n ** 200n } }),
    );
    expect(json).toMatchObject({ reason: 'taken', detail: 'Take another.', amount: (2n ** 200n).toString() });
  });

  it('says nothing of our own failures but that they are ours', () => {
    for (const secret of [
      new Error('SELECT hunter2'),
      new Fault('invariant_broken', 'hunter2'),
      'hunter2',
      undefined,
      null,
      { message: 'hunter2' },
    ]) {
      const { status, ours, json } = rendered(secret);
      expect({ status, ours, code: json['code'] }).toEqual({ status: 500, ours: true, code: 'internal' });
      expect(JSON.stringify(json)).not.toContain('hunter2');
    }
  });

  it('says when to come back', () => {
    expect(rendered(new Fault('unavailable', 'x')).headers['retry-after']).toBe('1');
    expect(rendered(new Fault('too_many_requests', 'x', { retryAfterSeconds: 2.1 })).headers['retry-after']).toBe('3');
    expect(rendered(new Fault('not_found', 'x')).headers['retry-after']).toBeUndefined();
  });

  it('names the methods there are', () => {
    const { status, headers, json } = rendered(new WrongMethod('PUT', ['GET', 'POST']));
    expect({ status, allow: headers['allow'], code: json['code'] }).toEqual({
      status: 405,
      allow: 'GET, POST',
      code: 'method_not_allowed',
    });
  });
});

describe('a part of a request', () => {
  const schema = z.strictObject({
    name: z.string().min(1, 'must not be empty'),
    size: z.number().optional(),
    kind: z.enum(['a', 'b']).optional(),
    inner: z.strictObject({ deep: z.array(z.string()) }).optional(),
  });
  const faulty: [unknown, string][] = [
    [{}, 'name is required'],
    [{ name: '' }, 'name must not be empty'],
    [{ name: 1 }, 'name must be a string'],
    [{ name: 'x', size: 'x' }, 'size must be a number'],
    [{ name: 'x', kind: 'c' }, 'kind must be a or b'],
    [{ name: 'x', inner: { deep: [1] } }, 'inner.deep.0 must be a string'],
    [{ name: 'x', inner: { deep: [], more: 1 } }, 'inner.more is not known here: leave it out'],
    [{ name: 'x', nmae: 'x' }, 'nmae is not known here: leave it out, or did you mean one of name, size, kind, inner'],
    [[], 'must be an object'],
  ];
  it.each(faulty)('%j is refused and told: %s', (value, said) => {
    expect(() => parse(schema, value, 'body')).toThrow(
      new Fault('invalid_request', `The body of the request needs mending: ${said}.`),
    );
  });

  it('that is absent is asked for', () => {
    expect(() => parse(schema, undefined, 'body')).toThrow(/no body: send JSON/);
  });

  it('with thousands of faults gets a short answer', () => {
    const hostile = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`${'k'.repeat(500)}${i}`, 1]));
    const told = (() => {
      try {
        return parse(schema, hostile, 'body');
      } catch (error) {
        return error;
      }
    })();
    expect(JSON.stringify((told as Fault).details).length + (told as Fault).message.length).toBeLessThan(10_000);
  });
});

describe('the table of operations', () => {
  const table = new OperationTable([
    operation('GET', '/v1/things'),
    operation('POST', '/v1/things'),
    operation('GET', '/v1/things/:id'),
  ]);

  it('finds by pattern, HEAD as GET', () => {
    expect(table.find('HEAD', '/v1/things/:id')).toBe(table.find('GET', '/v1/things/:id'));
    expect(table.find('DELETE', '/v1/things')).toBeUndefined();
    expect(table.find('GET', undefined)).toBeUndefined();
  });

  it.each([
    ['/v1/things', ['GET', 'POST']],
    ['/v1/things/7', ['GET']],
    ['/v1/things/7/8', []],
    ['/v1.things', []],
  ])('knows the methods of %s', (path, methods) => {
    expect(table.methodsOf(path)).toEqual(methods);
  });

  it('refuses two operations for one route', () => {
    expect(() => new OperationTable([operation('GET', '/a'), operation('GET', '/a')])).toThrow('GET /a');
  });
});

it('the document says who may use an operation and what goes in', () => {
  const guarded: Operation = {
    ...operation('POST', '/v1/things/:id'),
    access: { scope: 'manage' },
    params: z.strictObject({ id: z.string() }),
    query: z.strictObject({ limit: z.string().optional(), from: z.string() }),
    body: z.strictObject({ name: z.string().transform(BigInt) }),
    idempotency: 'once',
  };
  expect(openApiOf([guarded], { title: 't', version: '1', description: 'd', url: 'http://x' })).toMatchObject({
    paths: {
      '/v1/things/{id}': {
        post: {
          operationId: 'postThingsId',
          security: [{ key: [] }],
          parameters: [
            { name: 'id', in: 'path', required: true },
            { name: 'limit', in: 'query', required: false },
            { name: 'from', in: 'query', required: true },
            { name: 'Idempotency-Key', in: 'header', required: false },
          ],
          requestBody: {
            content: {
              'application/json': { schema: { properties: { name: { type: 'string' } }, additionalProperties: false } },
            },
          },
        },
      },
    },
  });
});

describe('a raw operation', () => {
  class Ids extends IdSource {
    next(): string {
      return 'req_1';
    }
  }
  class Nobody extends KeyCheck {
    check(): Promise<CallerCheck> {
      return Promise.resolve({ outcome: 'refused', reason: 'unknown' });
    }
  }
  const raw: Operation = { ...operation('POST', '/raw'), raw: true, body: z.strictObject({}), bodyLimit: 64 };
  const read: Operation = { ...operation('POST', '/read'), body: z.strictObject({ a: z.int() }) };
  const send = async (url: string, body: string | undefined, type = 'application/json') => {
    const options: DoorOptions = {
      operations: new OperationTable([raw, read]),
      keys: new Nobody(),
      ids: new Ids(),
      logger: createLogger({ service: 'api', level: 'silent' }),
      metrics: new Metrics({ ofProcess: false }),
      pages: [],
      trustedProxies: 0,
    };
    const server = await openDoor(options);
    await addHotRoutes(server, options, [
      { operation: raw, answer: async (request) => ({ hex: bytesOf(request).toString('hex') }) },
      { operation: read, answer: async (request) => ({ read: request.body }) },
    ]);
    const headers = body === undefined ? {} : { 'content-type': type };
    const answer = await server.inject({ method: 'POST', url, headers, ...(body === undefined ? {} : { body }) });
    await server.close();
    return { status: answer.statusCode, json: answer.json<Record<string, unknown>>() };
  };

  it('gets the bytes as they came, and those beside it read ones', async () => {
    const bytes = ' {"a":\n1, "__proto__": ';
    expect(await send('/raw', bytes)).toEqual({ status: 200, json: { hex: Buffer.from(bytes).toString('hex') } });
    expect(await send('/read', '{"a": 1}')).toEqual({ status: 200, json: { read: { a: 1 } } });
  });

  it('is refused what is too large, empty, missing or of another kind', async () => {
    expect(await send('/raw', 'x'.repeat(65))).toMatchObject({ status: 413 });
    expect(await send('/raw', '')).toMatchObject({ status: 400, json: { reason: 'missing_body' } });
    expect(await send('/raw', undefined)).toMatchObject({ status: 400, json: { reason: 'missing_body' } });
    expect(await send('/raw', '{}', 'text/plain')).toMatchObject({ status: 415 });
  });
});
