import { Fault } from '@core/faults';
import { IdSource } from '@core/ids';
import { createLogger, Metrics } from '@platform/telemetry';
import { z } from 'zod';
import { type CallerCheck, KeyCheck } from './caller.js';
import { addHotRoutes, type DoorOptions, openDoor } from './door.js';
import { LINES_TYPE, type Operation, OperationTable } from './operation.js';

class Ids extends IdSource {
  next(): string {
    return 'req_1';
  }
}

class OneKey extends KeyCheck {
  asked = 0;

  check(key: string): Promise<CallerCheck> {
    this.asked += 1;
    const caller = { provider: 'prov_1', key: 'key_1', scopes: ['gate'], environment: 'test' };
    return Promise.resolve(
      key === 'good' ? { outcome: 'authenticated', caller } : { outcome: 'refused', reason: 'unknown' },
    );
  }
}

const operation: Operation = {
  method: 'POST',
  path: '/many',
  summary: 'x',
  area: 'x',
  access: { scope: 'gate' },
  raw: true,
  mediaTypes: [LINES_TYPE],
  body: z.unknown(),
  bodyLimit: 4096,
  answers: { 200: { description: 'x' } },
};

describe('a route that answers line by line', () => {
  const errors: string[] = [];
  const keys = new OneKey();

  async function send(body: string, { type = LINES_TYPE, key = 'good' } = {}) {
    const logger = createLogger({ service: 'api', level: 'error' }, { write: (line) => void errors.push(line) });
    const options: DoorOptions = {
      operations: new OperationTable([operation]),
      keys,
      ids: new Ids(),
      logger,
      metrics: new Metrics({ ofProcess: false }),
      pages: [],
      trustedProxies: 0,
    };
    const server = await openDoor(options);
    let release: () => void = () => undefined;
    const last = new Promise<void>((resolve) => (release = resolve));
    await addHotRoutes(server, options, [
      {
        operation,
        mostLines: 5,
        answerLine: async (line, request) => {
          if (line === 'late') await last;
          if (line === 'refused') throw new Fault('conflict', 'Do otherwise.', { reason: 'taken' });
          if (line === 'broken') throw new Error('SELECT hunter2');
          if (line === 'let go') setImmediate(release);
          return { said: line, by: request.caller?.provider };
        },
      },
    ]);
    const headers = { 'content-type': type, authorization: `Bearer ${key}` };
    const answer = await server.inject({ method: 'POST', url: '/many', headers, body });
    const figures = await options.metrics.text();
    await server.close();
    const lines = answer.body
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { n: number; status: number; answer: Record<string, unknown> });
    return { status: answer.statusCode, headers: answer.headers, lines, figures };
  }

  beforeEach(() => {
    errors.length = 0;
    keys.asked = 0;
  });

  it('answers each by its number, as soon as it is known, with one key check and one measurement', async () => {
    const { status, headers, lines, figures } = await send('"late"\n"a"\n{"b":1}\n"let go"\n');
    expect(status).toBe(200);
    expect(headers).toMatchObject({ 'content-type': LINES_TYPE, 'x-request-id': 'req_1' });
    expect(lines.map(({ n }) => n)).toEqual([1, 2, 3, 0]);
    expect(lines[1]).toEqual({ n: 2, status: 200, answer: { said: { b: 1 }, by: 'prov_1' } });
    expect(keys.asked).toBe(1);
    expect(figures).toContain('farebox_http_request_seconds_count{method="POST",route="/many",status="200"} 1');
  });

  it('tells what one throws to that one alone, and nothing of our own failures', async () => {
    const { status, lines } = await send('"refused"\n"broken"\n"a"');
    expect(status).toBe(200);
    const byNumber = new Map(lines.map((line) => [line.n, line]));
    expect(byNumber.get(0)).toMatchObject({ status: 409, answer: { reason: 'taken', instance: 'req_1' } });
    expect(byNumber.get(1)).toMatchObject({ status: 500, answer: { code: 'internal' } });
    expect(byNumber.get(2)).toMatchObject({ status: 200 });
    expect(JSON.stringify(lines)).not.toContain('hunter2');
    expect(errors.join()).toContain('hunter2');
  });

  it.each(['{', '', '{"__proto__":{"a":1}}', '{"\\u005f_proto__":{}}', '{"constructor":{"prototype":{}}}'])(
    'refuses the line %p and answers the others',
    async (line) => {
      const { lines } = await send(`"a"\n${line}\n"b"`);
      expect(lines.find(({ n }) => n === 1)).toMatchObject({ status: 400, answer: { reason: 'malformed_json' } });
      expect(lines.filter(({ status }) => status === 200)).toHaveLength(2);
    },
  );

  it.each([
    ['too many lines', '1\n2\n3\n4\n5\n6', {}, 400, 'too_many_lines'],
    ['too large a body', `"${'x'.repeat(4096)}"`, {}, 413, 'body_too_large'],
    ['no body', '', {}, 400, 'missing_body'],
    ['another media type', '1', { type: 'application/json' }, 415, 'unsupported_media_type'],
    ['a key that does not hold', '1', { key: 'bad' }, 401, 'unknown_key'],
  ])('is refused as a whole for %s', async (_, body, how, status, reason) => {
    const answer = await send(body, how);
    expect(answer.status).toBe(status);
    expect(answer.lines).toEqual([expect.objectContaining({ reason })]);
  });
});
