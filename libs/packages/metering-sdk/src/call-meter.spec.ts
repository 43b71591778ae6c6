import 'reflect-metadata';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Controller, ForbiddenException, Get, type INestApplication, Module, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import express from 'express';
import fastify, { type FastifyRequest } from 'fastify';
import { HandClock, until } from '../test/hand-clock.js';
import { IngestStandIn } from '../test/ingest-stand-in.js';
import type { CallOptions } from './call-meter.js';
import { meterCalls as meterExpress } from './express.js';
import { meterCalls as meterFastify } from './fastify.js';
import { Metering, type MeteringError } from './index.js';
import { MeterCalls, meterCalls as meterNest } from './nest.js';

let ingest: IngestStandIn;
let clock: HandClock;
let client: Metering;
let errors: MeteringError[];
let stops: (() => Promise<unknown>)[];

beforeEach(async () => {
  ingest = await IngestStandIn.start();
  clock = new HandClock();
  errors = [];
  stops = [];
  const { now, elapsed, timer } = clock;
  const onError = (error: MeteringError): number => errors.push(error);
  client = new Metering({ url: ingest.url, key: 'k', source: '/shop', now, elapsed, timer, onError });
});
afterEach(async () => {
  for (const stop of stops) await stop();
  await client.close();
  await ingest.stop();
});

interface Headed {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

const accountOf = ({ headers }: Headed): string | undefined => headers['x-account']?.toString();
const perStatus = {
  meter: 'calls',
  account: accountOf,
  dimensions: (_: Headed, status: number) => ({ status: String(status) }),
  skip: (_: Headed, status: number) => status >= 500,
  seconds: { meter: 'compute' },
} satisfies CallOptions<Headed>;

const get = async (url: string, account?: string): Promise<number> => {
  const response = await fetch(url, { headers: account === undefined ? {} : { 'x-account': account } });
  await response.arrayBuffer();
  return response.status;
};

/** What was metered, once `count` events are recorded. */
async function metered(count: number): Promise<unknown[]> {
  await until(() => client.counters().queued >= count);
  await client.flush();
  return [...ingest.taken.values()].map(({ type, subject, data }) => [
    type,
    subject,
    data?.value,
    data?.dimensions?.status,
  ]);
}

/** Every server offers these: /ok takes a quarter of a second, /bad breaks, and the rest is not there. */
async function tellsTheSame(base: string): Promise<void> {
  expect(await get(`${base}/ok`, 'acct_1')).toBe(200);
  expect(await get(`${base}/bad`, 'acct_1')).toBe(500);
  expect(await get(`${base}/ok`)).toBe(200);
  expect(await get(`${base}/ok`, 'acct_2')).toBe(200);
  expect(await metered(4)).toEqual([
    ['calls', 'acct_1', undefined, '200'],
    ['compute', 'acct_1', '0.25', '200'],
    ['calls', 'acct_2', undefined, '200'],
    ['compute', 'acct_2', '0.25', '200'],
  ]);
  expect(client.counters().queued).toBe(4);
  expect(errors).toEqual([]);
}

const urlOf = (address: AddressInfo | string | null): string => `http://127.0.0.1:${(address as AddressInfo).port}`;

async function onExpress(options: CallOptions<express.Request>): Promise<string> {
  const app = express();
  app.use(meterExpress<express.Request>(client, options));
  app.get('/ok', (_, res) => {
    clock.advance(250);
    res.send('ok');
  });
  app.get('/bad', (_, res) => void res.status(500).end());
  app.get('/cut', (req) => void req.socket.destroy());
  const server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  return urlOf(server.address());
}

class NobodyEnters {
  canActivate(): boolean {
    throw new ForbiddenException();
  }
}

@Controller()
class Shop {
  @Get('ok')
  ok(): string {
    clock.advance(250);
    return 'ok';
  }

  @Get('bad')
  bad(): never {
    throw new Error('of its own');
  }

  @Get('shut')
  @UseGuards(NobodyEnters)
  shut(): string {
    return 'never';
  }
}

@Module({ controllers: [Shop] })
class ShopModule {}

async function onNest(prepare: (app: INestApplication) => unknown, adapter?: FastifyAdapter): Promise<string> {
  const app = adapter
    ? await NestFactory.create<NestFastifyApplication>(ShopModule, adapter, { logger: false })
    : await NestFactory.create(ShopModule, { logger: false });
  prepare(app);
  await app.listen(0, '127.0.0.1');
  stops.push(() => app.close());
  return app.getUrl();
}

describe('calls are metered', () => {
  it('on Express', async () => tellsTheSame(await onExpress(perStatus)));

  it('on Fastify, in the app around the plugin', async () => {
    const app = fastify({ forceCloseConnections: true });
    await app.register(meterFastify<FastifyRequest>(client, perStatus));
    app.get('/ok', () => {
      clock.advance(250);
      return 'ok';
    });
    app.get('/bad', () => Promise.reject(new Error('of its own')));
    await app.listen({ port: 0, host: '127.0.0.1' });
    stops.push(() => app.close());
    await tellsTheSame(urlOf(app.server.address()));
  });

  it('on Nest with Fastify, by an interceptor', async () => {
    const base = await onNest(
      (app) => app.useGlobalInterceptors(new MeterCalls(client, perStatus)),
      new FastifyAdapter(),
    );
    expect(await get(`${base}/shut`, 'acct_3')).toBe(403);
    await tellsTheSame(base);
  });

  it('on Nest with Fastify, by middleware, which also sees what a guard turns away', async () => {
    const base = await onNest((app) => app.use(meterNest(client, perStatus)), new FastifyAdapter());
    await tellsTheSame(base);
    expect(await get(`${base}/shut`, 'acct_3')).toBe(403);
    expect(await metered(6)).toContainEqual(['calls', 'acct_3', undefined, '403']);
  });

  it('only when the response was finished', async () => {
    const base = await onExpress(perStatus);
    await expect(get(`${base}/cut`, 'acct_1')).rejects.toThrow();
    await get(`${base}/ok`, 'acct_2');
    expect((await metered(2)).map((one) => (one as string[])[1])).toEqual(['acct_2', 'acct_2']);
  });

  it('without disturbing the response when it cannot be', async () => {
    const broken = (): never => {
      throw new Error('no such header');
    };
    expect(await get(`${await onExpress({ meter: 'calls', account: broken })}/ok`)).toBe(200);
    await until(() => errors.length === 1);
    const base = await onExpress(perStatus);
    await client.close();
    expect(await get(`${base}/ok`, 'acct_1')).toBe(200);
    await until(() => errors.length === 3);
    expect(errors.map(({ code }) => code)).toEqual(['call_lost', 'call_lost', 'call_lost']);
  });
});
