import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { EventVerdict, StreamItem, StreamResult, UsageEvent } from '../src/contract.js';
import { type ReadBatch, readBatch } from './stream-reader.js';

/** One thing to do instead of an honest answer. */
export type Misbehaviour =
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  /** The answer is lost before the events are taken, or after. */
  | 'hang up'
  | 'take and hang up'
  /** No answer until `answerHeld`. */
  | 'hold';

/** A request as it was read. */
type Received =
  { readonly door: 'open'; readonly events: readonly UsageEvent[] } | ({ readonly door: 'stream' } & ReadBatch);

/** A real HTTP server that takes usage as Farebox does, by both doors, and fails on demand. */
export class IngestStandIn {
  /** Events taken, by id; what counts. */
  readonly taken = new Map<string, UsageEvent>();
  /** Every request that could be read, in order: the ids in it, and its body. */
  readonly requests: string[][] = [];
  readonly bodies: string[] = [];
  readonly headers: IncomingMessage['headers'][] = [];
  readonly paths: (string | undefined)[] = [];
  /** Requests that break the contract. */
  readonly unreadable: unknown[] = [];
  /** Done once each, before honest answers. */
  readonly misbehaviours: Misbehaviour[] = [];
  /** Asked before every answer, once the list above is empty. */
  misbehave: () => Misbehaviour | undefined = () => undefined;
  /** Verdicts other than accepted and duplicate, by meter. */
  readonly refusedMeters = new Map<string, 'conflict' | 'held' | 'rejected'>();
  maxEventsPerRequest = Infinity;
  readonly #batches = new Map<string, { readonly body: string; readonly result: StreamResult }>();
  readonly #held: (() => void)[] = [];

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async start(): Promise<IngestStandIn> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const standIn = new IngestStandIn(server, `http://127.0.0.1:${port}`);
    server.on('request', (req: IncomingMessage, res: ServerResponse) => void standIn.#receive(req, res));
    return standIn;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  answerHeld(): void {
    for (const answer of this.#held.splice(0)) answer();
  }

  async #receive(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of req) chunks.push(chunk as Buffer);
    } catch {
      return; // The sender was killed half way through.
    }
    const body = Buffer.concat(chunks).toString('utf8');
    const received = this.#read(req.url, body);
    if (received === undefined) return void res.writeHead(400).end('not to be read');
    this.requests.push(received.events.map(({ id }) => id));
    this.bodies.push(body);
    this.headers.push(req.headers);
    this.paths.push(req.url);

    const misbehaviour = this.misbehaviours.shift() ?? this.misbehave();
    if (misbehaviour === 'hang up') return void req.socket.destroy();
    if (misbehaviour === 'hold') return void this.#held.push(() => this.#answer(received, body, res));
    if (misbehaviour === 'take and hang up') {
      this.#take(received, body);
      return void req.socket.destroy();
    }
    if (misbehaviour !== undefined) {
      res.writeHead(misbehaviour.status, misbehaviour.headers).end(misbehaviour.body);
      return;
    }
    this.#answer(received, body, res);
  }

  #read(url: string | undefined, body: string): Received | undefined {
    try {
      if (url?.endsWith('/v1/events/stream')) return { door: 'stream', ...readBatch(body) };
      return { door: 'open', events: JSON.parse(body) as UsageEvent[] };
    } catch (error) {
      this.unreadable.push(error);
      return undefined;
    }
  }

  #answer(received: Received, body: string, res: ServerResponse): void {
    if (received.events.length > this.maxEventsPerRequest) return void res.writeHead(413).end();
    const result = this.#take(received, body);
    const problem = { status: 409, reason: 'sequence_reused' };
    if (result === undefined)
      return void res.writeHead(409, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem));
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(result));
  }

  #take(received: Received, body: string): object | undefined {
    return received.door === 'open' ? this.#takeEvents(received.events) : this.#takeBatch(received, body);
  }

  #takeBatch({ stream, seq, events }: ReadBatch, body: string): StreamResult | undefined {
    const key = `${stream}.${seq}`;
    const stored = this.#batches.get(key);
    if (stored !== undefined) return stored.body === body ? { ...stored.result, outcome: 'duplicate' } : undefined;
    const items = events.flatMap(({ type }, index): StreamItem[] => {
      const verdict = this.refusedMeters.get(type);
      if (verdict === 'held') return [{ index, verdict, reason: 'unknown_account', message: 'Link it.' }];
      return verdict === undefined ? [] : [{ index, verdict: 'rejected', reason: 'unknown_meter' }];
    });
    for (const event of events) if (!this.refusedMeters.has(event.type)) this.taken.set(event.id, event);
    const held = items.filter(({ verdict }) => verdict === 'held').length;
    const rejected = items.length - held;
    const accepted = events.length - items.length;
    const result: StreamResult = {
      stream,
      seq,
      outcome: 'stored',
      accepted,
      held,
      rejected,
      items,
      completeThrough: seq,
    };
    this.#batches.set(key, { body, result });
    return result;
  }

  #takeEvents(events: readonly UsageEvent[]): object {
    const verdicts = events.map((event): EventVerdict => {
      const { source, id } = event;
      const refusal = this.refusedMeters.get(event.type);
      if (refusal !== undefined) return { source, id, verdict: refusal, reason: 'unknown_meter' };
      if (this.taken.has(id)) return { source, id, verdict: 'duplicate' };
      this.taken.set(id, event);
      return { source, id, verdict: 'accepted' };
    });
    const count = (verdict: string): number => verdicts.filter((one) => one.verdict === verdict).length;
    const names = ['accepted', 'duplicate', 'conflict', 'held', 'rejected'];
    return { ...Object.fromEntries(names.map((name) => [name, count(name)])), verdicts };
  }
}
