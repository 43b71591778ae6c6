import { Fault } from '@core/faults';
import { createLogger } from './logger.js';
import { Metrics } from './metrics.js';

const KEY = `fbx_live_${'ab'.repeat(16)}_${'s3cr3t-'.repeat(6)}x`;
const SIGNATURE = `0x${'5e'.repeat(65)}`;

function written(log: (logger: ReturnType<typeof createLogger>) => void): string {
  const lines: string[] = [];
  log(createLogger({ service: 'test', level: 'trace' }, { write: (line) => void lines.push(line) }));
  return lines.join('');
}

describe('the logger keeps secrets', () => {
  const secrets: [where: string, log: (logger: ReturnType<typeof createLogger>) => void][] = [
    [
      'a header by name',
      (logger) => logger.info({ headers: { authorization: 'hunter2', 'PAYMENT-SIGNATURE': 'hunter2' } }, 'x'),
    ],
    ['a field at the top', (logger) => logger.info({ paymentSignature: 'hunter2', x_payment: 'hunter2' }, 'x')],
    ['a nested field', (logger) => logger.info({ a: { b: [{ signature: 'hunter2' }] } }, 'x')],
    ['a body', (logger) => logger.info({ body: { hunter2: 1 } }, 'x')],
    ['a key in the message', (logger) => logger.warn(`seen ${KEY}`)],
    ['a key in a field of any name', (logger) => logger.warn({ note: `seen ${KEY}` }, 'x')],
    ['a signature in a field of any name', (logger) => logger.warn({ note: SIGNATURE }, 'x')],
    ['a password in a URL', (logger) => logger.warn({ url: 'postgresql://app:hunter2@db:5432/farebox' }, 'x')],
    ['an error', (logger) => logger.error({ err: new Error(`failed for Bearer ${KEY}`) }, 'x')],
    [
      'the cause of an error',
      (logger) => logger.error({ err: new Fault('internal', 'no', { cause: new Error(SIGNATURE) }) }, 'x'),
    ],
    [
      'rows that hang on an error',
      (logger) => logger.error({ err: Object.assign(new Error('no'), { detail: 'hunter2' }) }, 'x'),
    ],
    ['an error given alone', (logger) => logger.error(new Error(`failed for ${KEY}`))],
  ];
  it.each(secrets)('in %s', (_, log) => {
    const text = written(log);
    expect(text).toContain('"service":"test"');
    expect(text).not.toMatch(/hunter2|s3cr3t|5e5e5e/);
  });

  it('and says the rest', () => {
    const line = JSON.parse(
      written((logger) =>
        logger.error({ err: new Fault('unavailable', 'no database', { reason: 'down' }), n: 5n }, 'oh'),
      ),
    );
    expect(line).toMatchObject({
      level: 'error',
      msg: 'oh',
      n: '5',
      err: { type: 'Fault', message: 'no database', code: 'unavailable', reason: 'down' },
    });
    expect(line.err.stack).toContain('logger.spec');
  });
});

it('two registries in one process count apart', async () => {
  const [one, other] = [new Metrics({ ofProcess: false }), new Metrics({ ofProcess: false })];
  one.usageEvents('open', 'accepted', 3);
  one.request('GET', '/v1/payments/:id', 200, 0.02);
  expect(await one.text()).toContain('farebox_usage_events_total{door="open",verdict="accepted"} 3');
  expect(await one.text()).toContain(
    'farebox_http_request_seconds_count{method="GET",route="/v1/payments/:id",status="200"} 1',
  );
  expect(await other.text()).not.toContain('verdict="accepted"');
});
