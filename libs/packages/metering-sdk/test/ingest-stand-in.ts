import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { EventVerdict, UsageEvent } from '../src/contract.js';

/** One thing to do instead of an honest answer. */
export type Misbehaviour =
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  /** The answer is lost before the events are taken, or after. */
  | 'hang up'
  | 'take and hang up'
  /** No answer until `answerHeld`. */
  | 'hold';

/** A real HTTP server that takes usage events as Farebox does, and fails on demand. */
export class IngestStandIn {
  /** Events taken, by id; what counts. */
  readonly taken = new Map<string, UsageEvent>();
  /** Every request that came in, in order: the ids in it. */
  readonly requests: string[][] = [];
  readonly headers: IncomingMessage['headers'][] = [];
  readonly paths: (string | undefined)[] = [];
  /** Done once each, before honest answers. */
  readonly misbehaviours: Misbehaviour[] = [];
  /** Verdicts other than accepted and duplicate, by meter. */
  readonly refusedMeters = new Map<string, 'conflict' | 'rejected'>();
  maxEventsPerRequest = Infinity;
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
    let text = '';
    for await (const chunk of req) text += String(chunk);
    const events = JSON.parse(text) as UsageEvent[];
    this.requests.push(events.map(({ id }) => id));
    this.headers.push(req.headers);
    this.paths.push(req.url);

    const misbehaviour = this.misbehaviours.shift();
    if (misbehaviour === 'hang up') return void req.socket.destroy();
    if (misbehaviour === 'hold') return void this.#held.push(() => this.#answer(events, res));
    if (misbehaviour === 'take and hang up') {
      this.#take(events);
      return void req.socket.destroy();
    }
    if (misbehaviour !== undefined) {
      res.writeHead(misbehaviour.status, misbehaviour.headers).end(misbehaviour.body);
      return;
    }
    this.#answer(events, res);
  }

  #answer(events: readonly UsageEvent[], res: ServerResponse): void {
    if (events.length > this.maxEventsPerRequest) return void res.writeHead(413).end();
    const verdicts = this.#take(events);
    const count = (verdict: string): number => verdicts.filter((one) => one.verdict === verdict).length;
    const counts = Object.fromEntries(['accepted', 'duplicate', 'conflict', 'rejected'].map((v) => [v, count(v)]));
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ ...counts, verdicts }));
  }

  #take(events: readonly UsageEvent[]): EventVerdict[] {
    return events.map((event) => {
      const { source, id } = event;
      const refusal = this.refusedMeters.get(event.type);
      if (refusal !== undefined) return { source, id, verdict: refusal, reason: 'unknown_meter' };
      if (this.taken.has(id)) return { source, id, verdict: 'duplicate' };
      this.taken.set(id, event);
      return { source, id, verdict: 'accepted' };
    });
  }
}
