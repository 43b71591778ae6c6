import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  /** Status line and headers as they came. */
  readonly head: string;
  readonly body: string;
}

/** The value of a header in a head; undefined when it is not there. */
export function headerIn(head: string, name: string): string | undefined {
  const from = head.toLowerCase().indexOf(`\r\n${name}:`);
  if (from < 0) return undefined;
  const start = from + name.length + 3;
  const end = head.indexOf('\r\n', start);
  return head.slice(start, end < 0 ? undefined : end).trim();
}

/**
 * One connection kept alive, one request at a time, the bytes made beforehand: it costs the machine as little as possible, and
 * each side of a comparison the same. It understands answers with a Content-Length, which both sides give.
 */
export class RawConnection {
  #received: Buffer = Buffer.alloc(0);
  #waiting: { resolve: (answer: RawAnswer) => void; reject: (error: Error) => void } | undefined;

  private constructor(private readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
      this.#look();
    });
    socket.on('error', (error) => this.#waiting?.reject(error));
    socket.on('close', () => this.#waiting?.reject(new Error('the server closed the connection')));
  }

  static async open(url: string): Promise<RawConnection> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await once(socket, 'connect');
    return new RawConnection(socket);
  }

  ask(request: Buffer): Promise<RawAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#waiting) return reject(new Error('a request is under way on this connection'));
      this.#waiting = { resolve, reject };
      this.socket.write(request);
    });
  }

  #look(): void {
    const end = this.#received.indexOf('\r\n\r\n');
    if (end < 0 || this.#waiting === undefined) return;
    const head = this.#received.toString('latin1', 0, end);
    const length = headerIn(head, 'content-length');
    const { resolve, reject } = this.#waiting;
    if (length === undefined) return reject(new Error(`an answer without a length: ${head}`));
    const total = end + 4 + Number(length);
    if (this.#received.length < total) return;
    const body = this.#received.toString('utf8', end + 4, total);
    this.#received = this.#received.subarray(total);
    this.#waiting = undefined;
    resolve({ status: Number(head.slice(9, 12)), head, body });
  }

  close(): void {
    this.#waiting = undefined;
    this.socket.destroy();
  }
}
