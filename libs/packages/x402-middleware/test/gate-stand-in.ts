import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type {
  CaptureDecision,
  CaptureRequest,
  CheckDecision,
  CheckRequest,
  ExtendRequest,
  PaymentView,
  VoidRequest,
  WireReply,
} from '../src/contract.js';
import type { Extension } from '../src/gate-answers.js';

/** Done once instead of an honest answer to the next question of its kind. */
export type Misbehaviour =
  | 'hang up'
  /** Takes effect, but its answer is lost. */
  | 'do and hang up'
  | 'never answer'
  /** No answer until `answerHeld`. */
  | 'hold'
  | { readonly status: number; readonly body: string };

type Question =
  | { readonly step: 'check'; readonly body: CheckRequest }
  | { readonly step: 'capture'; readonly body: CaptureRequest }
  | { readonly step: 'extend'; readonly body: ExtendRequest }
  | { readonly step: 'void'; readonly body: VoidRequest };

interface Stored {
  view: PaymentView;
  reply?: WireReply;
}

/**
 * A small gate that keeps to the contract over real HTTP. A `PAYMENT-SIGNATURE` or `X-PAYMENT` of `ok-…`, or a proof of that
 * kind, is good for one payment, `bad-…` is refused. It verifies no signature and keeps no ledger: the real gate has its own tests.
 */
export class GateStandIn {
  readonly questions: Question[] = [];
  readonly keys: (string | undefined)[] = [];
  /** How many questions each exchange of many had. */
  readonly batches: number[] = [];
  /** Answers exchanges of many, instead of their questions. */
  batchStatus: number | undefined;
  readonly payments = new Map<string, Stored>();
  readonly misbehaviours: { step: Question['step']; how: Misbehaviour }[] = [];
  /** Allows challenges to be given again, for so many seconds. */
  cacheSeconds: string | undefined;
  withhold = false;
  captureWithinSeconds = 60;
  /** Whether an extension gives a payment more time. */
  prolongs = true;
  /** Most units that any stream is covered for. */
  covers = Number.POSITIVE_INFINITY;
  /** Other signatures that are good for one payment each. */
  readonly good = new Set<string>();
  /** The terms of the next challenges. */
  challenge: object | undefined;
  readonly #held: (() => void)[] = [];

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async start(): Promise<GateStandIn> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const gate = new GateStandIn(server, `http://127.0.0.1:${port}`);
    server.on('request', (req: IncomingMessage, res: ServerResponse) => void gate.#receive(req, res));
    return gate;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  answerHeld(): void {
    for (const answer of this.#held.splice(0)) answer();
  }

  /** What was asked, in order. */
  get steps(): string[] {
    return this.questions.map(({ step }) => step);
  }

  get checks(): CheckRequest[] {
    return this.questions.flatMap((question) => (question.step === 'check' ? [question.body] : []));
  }

  get captures(): CaptureRequest[] {
    return this.questions.flatMap((question) => (question.step === 'capture' ? [question.body] : []));
  }

  get extensions(): ExtendRequest[] {
    return this.questions.flatMap((question) => (question.step === 'extend' ? [question.body] : []));
  }

  statusOf(signature: string): string | undefined {
    return this.payments.get(signature)?.view.status;
  }

  async #receive(req: IncomingMessage, res: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of req) text += String(chunk);
    const step = /^\/v1\/gate\/(check|capture|extend|void|batch)$/.exec(req.url ?? '')?.[1];
    this.keys.push(req.headers.authorization);
    if (step === 'batch') return this.#receiveMany(text, req, res);
    const answered = this.#decide({ step, body: JSON.parse(text) as unknown } as Question);
    const respond = ({ status, body }: { status: number; body: string }): void =>
      void res.writeHead(status, { 'content-type': 'application/json' }).end(body);
    answered(respond, () => req.socket.destroy());
  }

  #receiveMany(text: string, req: IncomingMessage, res: ServerResponse): void {
    const asked = text.split('\n').map((line) => JSON.parse(line) as { ask: Question['step']; question: unknown });
    this.batches.push(asked.length);
    if (this.batchStatus !== undefined) return void res.writeHead(this.batchStatus).end('{}');
    res.writeHead(200, { 'content-type': 'application/x-ndjson' });
    let left = asked.length;
    asked.forEach(({ ask, question }, n) => {
      this.#decide({ step: ask, body: question } as Question)(
        ({ status, body }) => {
          left -= 1;
          const line = `{"n":${n},"status":${status},"answer":${status === 200 ? body : JSON.stringify(body)}}\n`;
          if (left === 0) res.end(line);
          else res.write(line);
        },
        () => req.socket.destroy(),
      );
    });
  }

  /** Does what is asked, or what it is to do instead. */
  #decide(
    question: Question,
  ): (respond: (answer: { status: number; body: string }) => void, hangUp: () => void) => void {
    this.questions.push(question);
    const at = this.misbehaviours.findIndex(({ step }) => step === question.step);
    const how = at < 0 ? undefined : this.misbehaviours.splice(at, 1)[0]?.how;
    if (how === 'hang up') return (_, hangUp) => hangUp();
    if (how === 'never answer') return () => undefined;
    if (typeof how === 'object') return (respond) => respond(how);
    const answer = { status: 200, body: JSON.stringify(this.#answer(question)) };
    if (how === 'do and hang up') return (_, hangUp) => hangUp();
    if (how === 'hold') return (respond) => void this.#held.push(() => respond(answer));
    return (respond) => respond(answer);
  }

  #answer(question: Question): unknown {
    if (question.step === 'check') return this.#check(question.body);
    const stored = [...this.payments.values()].find(({ view }) => view.id === question.body.payment);
    if (stored === undefined) throw new Error(`No payment ${question.body.payment}`);
    if (question.step === 'void') {
      if (stored.view.status === 'reserved') stored.view = { ...stored.view, status: 'voided' };
      return { payment: stored.view };
    }
    return question.step === 'extend' ? this.#extend(stored, question.body) : this.#capture(stored, question.body);
  }

  #extend({ view }: Stored, { upTo }: ExtendRequest): Extension {
    if (view.status !== 'reserved' || Number(upTo) > this.covers)
      return { decision: 'stop', payment: view, reason: 'The balance is used up.' };
    const prolonged = this.prolongs ? { captureWithinSeconds: this.captureWithinSeconds } : {};
    return { decision: 'go', payment: view, ...prolonged };
  }

  #check({ paymentSignature, xPayment, proof, meter, quantity = '1' }: CheckRequest): CheckDecision {
    const signature = paymentSignature ?? xPayment ?? proof?.authorization ?? proof?.signInWithX ?? proof?.signature;
    if (signature === undefined) return { decision: 'pay', reply: this.#challenge(meter, quantity) };
    const stored = this.payments.get(signature);
    if (stored?.reply !== undefined)
      return { decision: 'replay', reply: { ...stored.reply, headers: { ...stored.reply.headers, ...RECEIPT } } };
    const isGood = this.good.has(signature) || /^(?:ok-|bearer fbx_)/i.test(signature);
    if (!isGood || stored !== undefined)
      return { decision: 'refuse', reply: reply(409, { 'Content-Type': 'application/problem+json' }, 'refused') };
    const view = paymentView(`pay_${this.payments.size + 1}`, meter, quantity);
    this.payments.set(signature, { view });
    return { decision: 'serve', payment: view, captureWithinSeconds: this.captureWithinSeconds };
  }

  #capture(stored: Stored, request: CaptureRequest): CaptureDecision {
    if (this.withhold)
      return { decision: 'withhold', payment: stored.view, reply: reply(202, { 'retry-after': '2' }, 'pending') };
    stored.reply ??= request.reply;
    stored.view = { ...stored.view, status: 'submitted', charged: '1000' };
    return { decision: 'release', payment: stored.view, headers: RECEIPT };
  }

  #challenge(meter: string, quantity: string): WireReply {
    const terms = this.challenge ?? { meter, quantity, n: this.questions.length };
    const offer = Buffer.from(JSON.stringify(terms)).toString('base64');
    const headers: Record<string, string> = { 'PAYMENT-REQUIRED': offer, 'Cache-Control': 'no-store' };
    if (this.cacheSeconds !== undefined) headers['X-Farebox-Cache-Seconds'] = this.cacheSeconds;
    return reply(402, headers, '{}');
  }
}

const RECEIPT = { 'PAYMENT-RESPONSE': Buffer.from('{"success":true}').toString('base64') };

function reply(status: number, headers: WireReply['headers'], body: string): WireReply {
  return { status, headers, body: Buffer.from(body).toString('base64') };
}

function paymentView(id: string, meter: string, quantity: string): PaymentView {
  return {
    id,
    status: 'reserved',
    account: 'acct_1',
    payer: `0x${'11'.repeat(20)}`,
    network: 'eip155:84532',
    asset: `0x${'22'.repeat(20)}`,
    amount: '1000',
    meter,
    quantity,
    statusUrl: `https://farebox.example/v1/payments/${id}`,
  };
}

/** Polls until the condition holds. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`Waited in vain for ${condition.toString()}`);
    await new Promise((resume) => setImmediate(resume));
  }
}
