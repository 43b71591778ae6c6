import { once } from 'node:events';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { Metering } from '@farebox/metering';
import { paywall } from '@farebox/paywall/express';
import { workFor } from './compute-work.js';
import { METERS } from './demo-meters.js';
import { FileShelf } from './file-shelf.js';

// What a provider writes: an ordinary Express app, a price on three of its routes, and measured usage on the side. What the
// gate sells is paid with the request; of what is measured, the data received is billed by the month and the rest is free, so
// nothing is charged twice.

/** A stored file is kept, and was paid for, this long. */
const KEEP_SECONDS = 3600;
const LOOK_FOR_OLD_FILES_MS = 60_000;
const LARGEST_FILE_BYTES = 512 * 1024;
const LEAST_SECONDS = 0.1;
const MOST_SECONDS = 10;

type Price = ReturnType<typeof paywall>;

export interface DemoProvider {
  readonly name: string;
  readonly url: string;
  /** Resolves when what was measured so far is stored. */
  reported(): Promise<void>;
  stop(): Promise<void>;
}

export async function startDemoProvider(settings: {
  port: number;
  apiUrl: string;
  key: string;
  files: string;
}): Promise<DemoProvider> {
  const { port, apiUrl, key } = settings;
  const url = `http://127.0.0.1:${port}`;
  const metering = new Metering({ url: apiUrl, key, source: '/demo-provider' });
  const price = paywall({ gateUrl: apiUrl, key, publicUrl: url });
  const shelf = new FileShelf(settings.files, KEEP_SECONDS);

  const app = express();
  app.disable('x-powered-by');
  app.get('/', showOffers);
  app.get('/hello', price({ meter: METERS.calls, description: 'One greeting' }), (_request, response) => {
    response.json({ hello: 'agent' });
  });
  sellCompute(app, price, metering);
  sellStorage(app, price, metering, shelf);

  const server = app.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const stopClearing = clearRegularly(shelf, metering);
  return {
    name: 'The demo provider',
    url,
    reported: async () => {
      const { complete } = await metering.flush({ deadlineMs: 10_000 });
      if (!complete) throw new Error('The demo provider could not report what it measured.');
    },
    stop: async () => {
      stopClearing();
      server.close();
      server.closeAllConnections();
      await metering.close({ deadlineMs: 3_000 });
    },
  };
}

function showOffers(_request: Request, response: Response): void {
  response.json({
    sells: [
      { request: 'GET /hello', meter: METERS.calls },
      { request: 'POST /compute {"seconds": 1}', meter: METERS.compute, most: MOST_SECONDS },
      { request: 'POST /files', meter: METERS.storage, keptSeconds: KEEP_SECONDS, largest: LARGEST_FILE_BYTES },
    ],
  });
}

function sellCompute(app: Express, price: Price, metering: Metering): void {
  app.post(
    '/compute',
    express.json({ limit: '1kb', verify: keepRawBody }),
    refuseOtherSeconds,
    price<Request>({
      meter: METERS.compute,
      quantity: (request) => secondsOf(request).toString(),
      description: 'Compute time',
    }),
    async (request: Request, response: Response) => {
      const work = (): Promise<number> => workFor(secondsOf(request));
      const rounds = await metering.span(METERS.cpu, accountOf(request), work);
      response.json({ seconds: secondsOf(request), rounds });
    },
  );
}

function sellStorage(app: Express, price: Price, metering: Metering, shelf: FileShelf): void {
  app.post(
    '/files',
    express.raw({ type: '*/*', limit: LARGEST_FILE_BYTES }),
    refuseNoFile,
    price<Request>({
      meter: METERS.storage,
      quantity: (request) => (bytesOf(request).length * KEEP_SECONDS).toString(),
      description: 'Storage for one hour',
    }),
    async (request: Request, response: Response) => {
      const bytes = bytesOf(request);
      const account = accountOf(request);
      const name = shelf.keep(account, bytes);
      await metering.level({ meter: METERS.disk, account, resource: name, level: String(bytes.length) });
      await metering.record({ meter: METERS.transfer, account, value: String(bytes.length) });
      response.status(201).json({ file: name, bytes: bytes.length, keptSeconds: KEEP_SECONDS });
    },
  );
}

/** Takes files off the shelf when their hour is over, now and from time to time. */
function clearRegularly(shelf: FileShelf, metering: Metering): () => void {
  const clear = async (): Promise<void> => {
    for (const { account, name } of shelf.removeOld(Date.now())) {
      await metering.level({ meter: METERS.disk, account, resource: name, level: '0' });
    }
  };
  const clearNow = (): void => void clear().catch((error: unknown) => console.error('The demo provider:', error));
  clearNow();
  const timer = setInterval(clearNow, LOOK_FOR_OLD_FILES_MS);
  return () => clearInterval(timer);
}

/** The bytes as they came, so that the payment can be bound to them. */
function keepRawBody(request: object, _response: unknown, bytes: Buffer): void {
  Object.assign(request, { rawBody: bytes });
}

/** What cannot be served is refused before a price is asked for. */
function refuseOtherSeconds(request: Request, response: Response, next: NextFunction): void {
  const seconds = secondsOf(request);
  if (seconds >= LEAST_SECONDS && seconds <= MOST_SECONDS) return next();
  response.status(400).json({ error: `"seconds" has to be a number from ${LEAST_SECONDS} to ${MOST_SECONDS}.` });
}

function refuseNoFile(request: Request, response: Response, next: NextFunction): void {
  if (bytesOf(request).length > 0) return next();
  response.status(400).json({ error: 'Send the file as the body of the request.' });
}

function secondsOf(request: { body?: unknown }): number {
  const { body } = request;
  const given: unknown = typeof body === 'object' && body !== null && 'seconds' in body ? body.seconds : 1;
  return typeof given === 'number' ? given : Number.NaN;
}

/** Whose payment this request was let in with. */
function accountOf(request: Request): string {
  if (request.farebox === undefined) throw new Error('This route has a price.');
  return request.farebox.payment.account;
}

const bytesOf = (request: { body?: unknown }): Buffer =>
  Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
