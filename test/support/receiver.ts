import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A message as it came. */
export interface Received {
  readonly id: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly text: string;
  // The shape of a payload is what tests are about.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly json: any;
}

/** The status to answer with; while it waits, so does the sender. */
type Answering = (message: Received, before: number) => number | Promise<number>;

/** A provider's server that receives webhooks. */
export class Receiver {
  readonly received: Received[] = [];
  /** Most requests that were open at once. */
  most = 0;
  #open = 0;

  private constructor(
    readonly url: string,
    readonly server: Server,
  ) {}

  static async start(answering: Answering = () => 204): Promise<Receiver> {
    const server = createServer((request, response) => {
      const parts: Buffer[] = [];
      receiver.#open += 1;
      receiver.most = Math.max(receiver.most, receiver.#open);
      response.on('close', () => (receiver.#open -= 1));
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const text = Buffer.concat(parts).toString('utf8');
        const headers = Object.fromEntries(
          Object.entries(request.headers).map(([name, value]) => [name, [value].flat().join(', ')]),
        );
        const message = { id: headers['webhook-id'] ?? '', headers, text, json: JSON.parse(text) };
        const before = receiver.received.filter(({ id }) => id === message.id).length;
        receiver.received.push(message);
        void Promise.resolve(answering(message, before)).then((status) => response.writeHead(status).end());
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const receiver = new Receiver(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, server);
    return receiver;
  }

  ids(): string[] {
    return this.received.map(({ id }) => id);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/**
 * Whether a message is by who holds the secret: what Standard Webhooks says, written from its text with Node's crypto and nothing of
 * ours. `now`: seconds.
 */
export function verifies(secret: string, { headers, text }: Received, now: number): boolean {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = headers;
  if (id === undefined || timestamp === undefined || signatures === undefined) return false;
  if (Math.abs(now - Number(timestamp)) > 300) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.${text}`).digest();
  return signatures.split(' ').some((one) => {
    const [version, signature = ''] = one.split(',');
    const given = Buffer.from(signature, 'base64');
    return version === 'v1' && given.length === expected.length && timingSafeEqual(given, expected);
  });
}
