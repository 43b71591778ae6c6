import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const PROTOCOL = 196_608;
const [ERROR, COMPLETE, READY, AUTHENTICATION, COPY_IN] = [...'ECZRG'].map((letter) => letter.charCodeAt(0));

/**
 * A session of PostgreSQL that does nothing but COPY, each batch in a transaction of its own, as every client library does it: the
 * command, and when the server is ready for them, the rows and the end. It costs the generator less than a library would.
 */
export class CopyConnection {
  #received: Buffer = Buffer.alloc(0);
  #waiting: { resolve: (tag: string) => void; reject: (error: Error) => void } | undefined;
  #rows: Buffer | undefined;
  #tag = '';
  #problem: string | undefined;

  private constructor(
    private readonly socket: Socket,
    private readonly command: Buffer,
  ) {
    socket.on('data', (chunk: Buffer) => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
      this.#look();
    });
    socket.on('error', (error) => this.#waiting?.reject(error));
    socket.on('close', () => this.#waiting?.reject(new Error('the database closed the connection')));
  }

  /** Opens a session that copies into a table. The server must trust whoever connects. */
  static async open(url: string, table: string): Promise<CopyConnection> {
    const { hostname, port, username, pathname } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await once(socket, 'connect');
    const connection = new CopyConnection(socket, message('Q', Buffer.from(`COPY ${table} FROM STDIN\0`)));
    const names = Buffer.from(`user\0${username}\0database\0${pathname.slice(1)}\0\0`);
    const start = Buffer.alloc(8);
    start.writeInt32BE(8 + names.length, 0);
    start.writeInt32BE(PROTOCOL, 4);
    await connection.#send(Buffer.concat([start, names]));
    return connection;
  }

  /** What {@link copy} sends for these lines; made once, sent often. */
  static batch(lines: Buffer): Buffer {
    return Buffer.concat([message('d', lines), message('c', Buffer.alloc(0))]);
  }

  /** Copies a batch and waits for its commit. @returns rows */
  async copy(batch: Buffer): Promise<number> {
    this.#rows = batch;
    const tag = await this.#send(this.command);
    if (!tag.startsWith('COPY ')) throw new Error(`COPY answered ${tag}`);
    return Number(tag.slice(5));
  }

  close(): void {
    this.#waiting = undefined;
    this.socket.destroy();
  }

  #send(bytes: Buffer): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.socket.write(bytes);
    });
  }

  #look(): void {
    let at = 0;
    while (this.#received.length - at >= 5) {
      const length = this.#received.readInt32BE(at + 1);
      if (this.#received.length - at < 1 + length) break;
      this.#read(this.#received[at] ?? 0, this.#received.subarray(at + 5, at + 1 + length));
      at += 1 + length;
    }
    this.#received = this.#received.subarray(at);
  }

  #read(kind: number, body: Buffer): void {
    if (kind === ERROR) this.#problem = body.toString().replaceAll('\0', ' ');
    else if (kind === AUTHENTICATION && body.readInt32BE(0) !== 0) this.#problem = 'the database asks for a password';
    else if (kind === COPY_IN && this.#rows) this.socket.write(this.#rows);
    else if (kind === COMPLETE) this.#tag = body.toString('latin1', 0, body.length - 1);
    if (kind !== READY && this.#problem === undefined) return;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (this.#problem === undefined) waiting?.resolve(this.#tag);
    else waiting?.reject(new Error(this.#problem));
  }
}

function message(kind: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(kind, 'latin1');
  head.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([head, body]);
}
