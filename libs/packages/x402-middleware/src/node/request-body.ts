import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { BodyReading } from '../exchange.js';

/** A request that passes two prices is read once. */
const readings = new WeakMap<IncomingMessage, BodyReading>();

/**
 * Digests the body of a request: from bytes someone kept (`rawBody`, or a `body` that is a Buffer), else by reading the stream
 * and putting it back, so that a body parser behind the paywall finds it untouched.
 */
export async function readBody(req: IncomingMessage, kept: readonly unknown[], limit: number): Promise<BodyReading> {
  if (!announcesBody(req)) return NO_BODY;
  const known = readings.get(req);
  if (known !== undefined) return known;
  const reading = await digestOf(req, kept, limit);
  readings.set(req, reading);
  return reading;
}

const NO_BODY: BodyReading = { kind: 'known' };

const announcesBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0;

async function digestOf(req: IncomingMessage, kept: readonly unknown[], limit: number): Promise<BodyReading> {
  if (Number(req.headers['content-length'] ?? 0) > limit) return { kind: 'too_long' };
  const bytes = kept.find((value) => value instanceof Uint8Array);
  if (bytes !== undefined) return bytes.byteLength > limit ? { kind: 'too_long' } : digested(bytes);
  if (req.readableDidRead || req.readableEnded) return { kind: 'consumed' };
  return readStream(req, limit);
}

function digested(bytes: Uint8Array): BodyReading {
  if (bytes.byteLength === 0) return { kind: 'known' };
  return { kind: 'known', digest: createHash('sha256').update(bytes).digest('hex') };
}

/**
 * Reads all there is without ever letting the stream end: asking for exactly what is buffered does not end it, and what is
 * put back before the end is read again as if for the first time.
 */
function readStream(req: IncomingMessage, limit: number): Promise<BodyReading> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const finish = (reading: BodyReading): void => {
      req.off('readable', onReadable).off('end', onEnd).off('close', onGone).off('error', onGone);
      resolve(reading);
    };
    const onReadable = (): void => {
      while (req.readableLength > 0 && length <= limit) {
        const chunk: unknown = req.read(req.readableLength);
        if (!Buffer.isBuffer(chunk)) break;
        chunks.push(chunk);
        length += chunk.byteLength;
      }
      if (length > limit) return finish({ kind: 'too_long' });
      if (!req.complete || length === 0) return;
      const body = Buffer.concat(chunks);
      req.unshift(body);
      finish(digested(body));
    };
    const onEnd = (): void => finish({ kind: 'known' }); // Only an empty body gets here.
    const onGone = (): void => finish({ kind: 'gone' });
    req.on('readable', onReadable).on('end', onEnd).on('close', onGone).on('error', onGone);
  });
}
