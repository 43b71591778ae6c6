import { createHash } from 'node:crypto';
import { Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { GateStandIn, until } from '../test/gate-stand-in.js';
import { Envelope, FreeController, OwnWords, ShopController, StreamsController } from '../test/nest-shop.js';
import { paying } from '../test/serve.js';
import { AnsweredByPaywall, FareboxPaywallModule, type NestRequest, Price } from './nest.js';

let gate: GateStandIn;
let app: NestFastifyApplication | undefined;
let errors: Error[];

beforeEach(async () => {
  gate = await GateStandIn.start();
  errors = [];
});
afterEach(async () => {
  await app?.close();
  app = undefined;
  await gate.stop();
});

const paywallOptions = () => ({ gateUrl: gate.url, key: 'fbk_gate', onError: (error: Error) => errors.push(error) });

async function start(
  prepare: (app: NestFastifyApplication) => void = () => undefined,
  options: { rawBody?: boolean } = { rawBody: true },
): Promise<string> {
  @Module({
    imports: [FareboxPaywallModule.forRoot(paywallOptions())],
    controllers: [ShopController, StreamsController, FreeController],
  })
  class AppModule {}
  app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter(), {
    logger: false,
    ...options,
  });
  prepare(app);
  await app.listen(0, '127.0.0.1');
  return app.getUrl();
}

describe('a priced handler of nest', () => {
  it('answers 402 with the challenge, whatever the exception filters write', async () => {
    const filter = new OwnWords();
    const url = await start((nest) => nest.useGlobalFilters(filter));
    const answer = await fetch(`${url}/shop/json?a=b`);
    expect([answer.status, await answer.text()]).toEqual([402, '{}']);
    expect(answer.headers.get('payment-required')).not.toBeNull();
    expect(answer.headers.get('x-filter')).toBeNull();
    expect(filter.seen).toEqual([expect.any(AnsweredByPaywall)]);
    expect(gate.checks).toEqual([{ method: 'GET', url: `${url}/shop/json?a=b`, meter: 'api_calls' }]);
  });

  it('sells what nest sends: JSON, text, bytes, streams, answers by hand', async () => {
    const url = await start();
    const bodies: [string, number, string, string][] = [
      ['json', 200, 'application/json; charset=utf-8', '{"hello":"world"}'],
      ['text', 203, 'text/plain; charset=utf-8', 'hello'],
      ['bytes', 200, 'application/octet-stream', '\u0000\u00ff'],
      ['stream', 200, 'text/plain', 'stream'],
      ['manual', 200, 'application/json; charset=utf-8', '{"by":"hand"}'],
    ];
    for (const [path, status, type, body] of bodies) {
      const first = await fetch(`${url}/shop/${path}`, paying(`ok-${path}`));
      expect(first.headers.get('payment-response')).not.toBeNull();
      expect(first.headers.get('cache-control')).toBe('private, no-store');
      const again = await fetch(`${url}/shop/${path}`, paying(`ok-${path}`));
      for (const answer of [first, again]) {
        const text = Buffer.from(await answer.arrayBuffer()).toString('latin1');
        expect([path, answer.status, answer.headers.get('content-type'), text]).toEqual([path, status, type, body]);
      }
    }
    expect(gate.captures).toHaveLength(bodies.length);
  });

  it('sells what interceptors make of it', async () => {
    const url = await start((nest) => nest.useGlobalInterceptors(new Envelope()));
    const answer = await fetch(`${url}/shop/json`, paying('ok-1'));
    expect([answer.headers.get('x-own'), await answer.json()]).toEqual(['yes', { data: { hello: 'world' } }]);
    const kept = Buffer.from(gate.captures[0]?.reply.body ?? '', 'base64').toString();
    expect(JSON.parse(kept)).toEqual({ data: { hello: 'world' } });
  });

  it.each([
    ['missing', 404],
    ['broken', 500],
    ['forbidden', 403],
  ])('is not charged when it is %s', async (path, status) => {
    const url = await start();
    const answer = await fetch(`${url}/shop/${path}`, paying('ok-1'));
    expect([answer.status, answer.headers.get('payment-response')]).toEqual([status, null]);
    expect(await answer.json()).toMatchObject({ statusCode: status });
    expect(gate.statusOf('ok-1')).toBe('voided');
    expect(gate.captures).toEqual([]);
  });

  it('withholds what is not paid, with its headers', async () => {
    gate.withhold = true;
    const url = await start();
    const answer = await fetch(`${url}/shop/manual`, paying('ok-1'));
    expect([answer.status, await answer.text(), answer.headers.get('x-own')]).toEqual([202, 'pending', null]);
  });

  it('is closed while the gate cannot be understood', async () => {
    gate.misbehaviours.push({ step: 'check', how: { status: 200, body: '{}' } });
    const url = await start();
    expect((await fetch(`${url}/shop/json`, paying('ok-1'))).status).toBe(503);
    expect(gate.captures).toEqual([]);
  });

  it('binds the body, is priced by its own price before the controller’s, and can measure', async () => {
    const url = await start();
    const body = JSON.stringify({ name: 'render' });
    const headers = { 'PAYMENT-SIGNATURE': 'ok-1', 'content-type': 'application/json' };
    const answer = await fetch(`${url}/shop/job?seconds=3`, { method: 'POST', headers, body });
    expect([answer.status, await answer.text()]).toEqual([200, 'render for 3 s, pay_1']);
    expect(gate.checks).toEqual([
      expect.objectContaining({
        meter: 'compute',
        quantity: '3',
        description: 'A job',
        mimeType: 'text/plain',
        bodyDigest: createHash('sha256').update(body).digest('hex'),
      }),
    ]);
    expect(gate.captures[0]?.quantity).toBe('0.25');
  });

  it('says what to do when nest keeps no raw body', async () => {
    const url = await start(() => undefined, {});
    const headers = { 'PAYMENT-SIGNATURE': 'ok-1', 'content-type': 'application/json' };
    const answer = await fetch(`${url}/shop/job?seconds=3`, { method: 'POST', headers, body: '{"name":"x"}' });
    expect(answer.status).toBe(500);
    expect(errors[0]?.message).toContain('rawBody: true');
    expect(gate.questions).toEqual([]);
  });

  it('leaves unpriced handlers alone', async () => {
    const url = await start();
    expect(await (await fetch(`${url}/free`)).text()).toBe('free');
    expect((await fetch(`${url}/free/not`)).status).toBe(402);
  });

  it('keeps CORS headers, and lets scripts read the payment headers', async () => {
    const url = await start((nest) => nest.enableCors({ origin: 'https://shop.example', exposedHeaders: ['ETag'] }));
    const origin = { origin: 'https://shop.example' };
    for (const headers of [origin, { ...origin, 'PAYMENT-SIGNATURE': 'ok-1' }, { ...origin, 'X-PAYMENT': 'bad-1' }]) {
      const answer = await fetch(`${url}/shop/json`, { headers });
      expect(answer.headers.get('access-control-allow-origin')).toBe('https://shop.example');
      expect(answer.headers.get('access-control-expose-headers')).toBe(
        'ETag, PAYMENT-REQUIRED, PAYMENT-RESPONSE, X-PAYMENT-RESPONSE',
      );
    }
  });
});

describe('a stream of nest', () => {
  beforeEach(() => {
    gate.covers = 8;
  });

  it('is charged part by part', async () => {
    const answer = await fetch(`${await start()}/streams/file`, paying('ok-1'));
    expect(await answer.text()).toBe('1 2 3 4 5 6 7 8 stopped');
    expect([answer.headers.get('x-farebox-payment'), answer.headers.get('payment-response')]).toEqual(['pay_1', null]);
    expect(gate.captures[0]?.quantity).toBe('8');
  });

  it('may be server-sent events', async () => {
    const answer = await fetch(`${await start()}/streams/events`, paying('ok-1'));
    expect(answer.headers.get('content-type')).toContain('text/event-stream');
    const data = [...(await answer.text()).matchAll(/^data: ?(.*)$/gm)].map(([, text]) => text?.trim());
    expect(data).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', 'stopped']);
    expect(gate.captures[0]?.quantity).toBe('8');
  });

  it('is not sold when the handler refuses, and what filters write goes out', async () => {
    const answer = await fetch(`${await start()}/streams/missing`, paying('ok-1'));
    expect([answer.status, await answer.json()]).toEqual([404, expect.objectContaining({ message: 'no such thing' })]);
    await until(() => gate.statusOf('ok-1') === 'voided');
  });
});

describe('the module', () => {
  it('takes options from another provider', async () => {
    @Injectable()
    class Configuration {
      readonly options = paywallOptions();
    }
    @Module({ providers: [Configuration], exports: [Configuration] })
    class ConfigurationModule {}
    @Module({
      imports: [
        FareboxPaywallModule.forRootAsync({
          imports: [ConfigurationModule],
          inject: [Configuration],
          useFactory: ({ options }: Configuration) => options,
        }),
      ],
      controllers: [FreeController],
    })
    class AppModule {}
    app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter(), { logger: false });
    await app.listen(0, '127.0.0.1');
    expect((await fetch(`${await app.getUrl()}/free/not`)).status).toBe(402);
  });

  it('is missed at the start, not when the first agent comes', async () => {
    @Module({ controllers: [FreeController] })
    class AppModule {}
    const options = { logger: false, abortOnError: false } as const;
    const started = NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter(), options);
    await expect(started).rejects.toThrow(/can't resolve dependencies of the PriceGuard/);
  });

  it('refuses a price without a meter when the class is loaded', () => {
    expect(() => Price<NestRequest>({ meter: '' })).toThrow('meter is missing');
  });
});
