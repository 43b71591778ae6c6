import fc from 'fast-check';
import { eventAt } from './batch-events.js';
import { readBatch } from './read-batch.js';

const body = {
  stream: '0198c0de-0000-7000-8000-000000000000',
  source: '/compute/eu-1',
  seq: 1,
  t0: 1763712000000,
  types: ['api.calls', 'bytes'],
  accounts: ['acct_1', 'my-name'],
  resources: ['bucket-7'],
  dimensions: [{ region: 'eu' }],
  columns: {
    type: [0, 0, 1],
    account: [0, 1, 0],
    time: [0, 12, 900],
    value: [1, '0.25', null],
    level: [null, null, 512],
    delta: [null, -3, '-0.5'],
    action: [null, 'start', null],
    weight: [null, 2, null],
    cost: [null, '0.01', null],
    resource: [null, 0, null],
    dimensions: [null, 0, null],
  },
};
const withColumns = (columns: object) => ({ ...body, columns: { ...body.columns, ...columns } });
const problemOf = (sent: unknown): string | undefined => {
  const read = readBatch(sent);
  return 'problem' in read ? read.problem : undefined;
};

describe('a batch of the stream door', () => {
  it('is read as it is', () => {
    expect(readBatch(JSON.parse(JSON.stringify(body)))).toEqual(body);
    const { type, account, time } = body.columns;
    expect(problemOf({ ...body, columns: { type, account, time } })).toBeUndefined();
  });

  it.each<[string, unknown]>([
    ['The body must be a JSON object', null],
    ['The body must be a JSON object', [body]],
    ['The body must be a JSON object', 'x'],
    ['"stream" must be a UUID', { ...body, stream: '0198C0DE-0000-7000-8000-000000000000' }],
    ['"stream" must be a UUID', { ...body, stream: undefined }],
    ['"seq" must be an integer', { ...body, seq: 0 }],
    ['"seq" must be an integer', { ...body, seq: 2 ** 53 }],
    ['"source" must be a string', { ...body, source: 7 }],
    ['"source" must have 1 to 256', { ...body, source: 'a\u0000' }],
    ['kept for Farebox', { ...body, source: 'farebox:gate' }],
    ['"t0" must be', { ...body, t0: -1 }],
    ['"t0" must be', { ...body, t0: 1.5 }],
    ['"t0" must be', { ...body, t0: 9e15 }],
    ['"types" must be 1 to 256', { ...body, types: [] }],
    ['"types" must be 1 to 256', { ...body, types: Array.from({ length: 257 }, () => 'x') }],
    ['"accounts" must be 1 to 10000', { ...body, accounts: [5] }],
    ['"resources" must be', { ...body, resources: [null] }],
    ['"dimensions" must be', { ...body, dimensions: [{ region: 5 }] }],
    ['"dimensions" must be', { ...body, dimensions: ['eu'] }],
    ['"columns" must be an object', { ...body, columns: [] }],
    ['"columns.type" must have 1 to 5000', { ...body, columns: {} }],
    ['"columns.type" must have 1 to 5000', withColumns({ type: Array.from({ length: 5001 }, () => 0) })],
    ['"columns.time" is missing', withColumns({ time: undefined })],
    ['"columns.value" has 2 items and "columns.type" has 3', withColumns({ value: [1, 2] })],
    ['"columns.value" must be an array', withColumns({ value: 'abc' })],
    ['"columns.type[2]" must be an index into "types"', withColumns({ type: [0, 0, 2] })],
    ['"columns.type[0]"', withColumns({ type: ['0', 0, 0] })],
    ['"columns.account[1]"', withColumns({ account: [0, 1e9, 0] })],
    ['"columns.account[1]"', withColumns({ account: [0, -1, 0] })],
    ['"columns.account[1]"', withColumns({ account: [0, 0.5, 0] })],
    ['"columns.account[1]"', withColumns({ account: [0, null, 0] })],
    ['"columns.time[0]"', withColumns({ time: [NaN, 0, 0] })],
    ['"columns.time[0]"', withColumns({ time: [-1, 0, 0] })],
    ['"columns.time[2]"', withColumns({ time: [0, 0, 8.64e15] })],
    ['"columns.value[0]"', withColumns({ value: [-1, 0, 0] })],
    ['"columns.value[1]"', withColumns({ value: [1, 0.5, 0] })],
    ['"columns.value[1]"', withColumns({ value: [1, 2 ** 53, 0] })],
    ['"columns.value[1]"', withColumns({ value: [1, true, 0] })],
    ['"columns.delta[1]"', withColumns({ delta: [1, -(2 ** 53), 0] })],
    ['"columns.action[1]"', withColumns({ action: [null, 'pause', null] })],
    ['"columns.resource[1]"', withColumns({ resource: [null, 1, null] })],
    ['"columns.dimensions[1]"', withColumns({ dimensions: [null, 'constructor', null] })],
    ['"sources" is not a field', { ...body, sources: ['farebox:gate'] }],
    ['"columns.id" is not a column', withColumns({ id: ['a', 'b', 'c'] })],
    ['"columns.source" is not a column', withColumns({ source: [0, 0, 0] })],
    ['"__proto__" is not a field', JSON.parse(JSON.stringify(body).replace('{', '{"__proto__":{"seq":1},'))],
    ['is not a column', JSON.parse(JSON.stringify(body).replace('"type":', '"__proto__":[0,0,0],"type":'))],
  ])('is refused with %s', (sentence, sent) => {
    expect(problemOf(sent)).toContain(sentence);
  });

  it('is answered with a problem or can be read to its last event, whatever one part of it is', () => {
    const odd = fc.oneof(
      fc.anything({ withNullPrototype: true, withBigInt: true, withSparseArray: true }),
      fc.constantFrom<unknown>(NaN, -0, 1e9, 2 ** 53, '__proto__', 'constructor', [], {}, null),
      fc.array(fc.oneof(fc.integer({ min: -1, max: 2 }), fc.constant(null), fc.string()), { maxLength: 4 }),
    );
    const fields = fc.constantFrom(...Object.keys(body), '__proto__', 'other');
    const columns = fc.constantFrom(...Object.keys(body.columns), 'id', 'constructor');
    const put = (target: object, key: string, value: unknown): object =>
      Object.defineProperty({ ...target }, key, { value, enumerable: true });
    const hostile = fc.oneof(
      odd,
      fc.tuple(fields, odd).map(([field, value]) => put(body, field, value)),
      fc.tuple(columns, odd).map(([column, value]) => ({ ...body, columns: put(body.columns, column, value) })),
      fc
        .tuple(columns, fc.nat(2), odd)
        .map(([column, i, value]) =>
          withColumns({ [column]: [null, null, null].map((_, k) => (k === i ? value : 0)) }),
        ),
    );
    let [refused, read] = [0, 0];
    fc.assert(
      fc.property(hostile, (sent) => {
        const batch = readBatch(sent);
        if ('problem' in batch) {
          refused += 1;
          expect(batch.problem).toMatch(/\.$/);
          return;
        }
        read += 1;
        batch.columns.type.forEach((_, i) => expect(eventAt(batch, i).id).toBe(`${batch.stream}.${batch.seq}.${i}`));
      }),
      { numRuns: 5000 },
    );
    expect(Math.min(refused, read)).toBeGreaterThan(50);
  });
});
