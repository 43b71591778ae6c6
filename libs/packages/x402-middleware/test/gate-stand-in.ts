import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type {
  CaptureDecision,
  CaptureRequest,
  CheckDecision,
  CheckRequest,
  PaymentView,
  VoidRequest,
  WireReply,
} from '../src/contract.js';

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
  | { readonly step: 'void'; readonly body: VoidRequest };

interface Stored {
  view: PaymentView;
  reply?: WireReply;
}

/**
 * A small gate that keeps to the contract over real HTTP. A `PAYMENT-SIGNATURE` or `X-PAYMENT` of `ok-…` is good for one
 * payment, `bad-…` is refused. It verifies no signature and keeps no ledger: the real gate has its own tests.
 */
export class GateStandIn {
  readonly questions: Question[] = [];
  readonly keys: (string | undefined)[] = [];
  readonly payments = new Map<string, Stored>();
  readonly misbehaviours: { step: Question['step']; how: Misbehaviour }[] = [];
  /** Allows challenges to be given again, for so many seconds. */
  cacheSeconds: string | undefined;
  withhold = false;
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

  statusOf(signature: string): string | undefined {
    return this.payments.get(signature)?.view.status;
  }

  async #receive(req: IncomingMessage, res: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of req) text += String(chunk);
    const step = /^\/v1\/gate\/(check|capture|void)$/.exec(req.url ?? '')?.[1];
    const question = { step, body: JSON.parse(text) as unknown } as Question;
    this.questions.push(question);
    this.keys.push(req.headers.authorization);

    const at = this.misbehaviours.findIndex((one) => one.step === step);
    const how = at < 0 ? undefined : this.misbehaviours.splice(at, 1)[0]?.how;
    if (how === 'hang up') return void req.socket.destroy();
    if (how === 'never answer') return;
    if (typeof how === 'object') return void res.writeHead(how.status).end(how.body);
    const answer = this.#answer(question);
    if (how === 'do and hang up') return void req.socket.destroy();
    const respond = (): void =>
      void res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    if (how === 'hold') this.#held.push(respond);
    else respond();
  }

  #answer(question: Question): unknown {
    if (question.step === 'check') return this.#check(question.body);
    const stored = [...this.payments.values()].find(({ view }) => view.id === question.body.payment);
    if (stored === undefined) throw new Error(`No payment ${question.body.payment}`);
    if (question.step === 'void') {
      if (stored.view.status === 'reserved') stored.view = { ...stored.view, status: 'voided' };
      return { payment: stored.view };
    }
    return this.#capture(stored, question.body);
  }

  #check({ paymentSignature, xPayment, meter, quantity = '1' }: CheckRequest): CheckDecision {
    const signature = paymentSignature ?? xPayment;
    if (signature === undefined) return { decision: 'pay', reply: this.#challenge(meter, quantity) };
    const stored = this.payments.get(signature);
    if (stored?.reply !== undefined)
      return { decision: 'replay', reply: { ...stored.reply, headers: { ...stored.reply.headers, ...RECEIPT } } };
    if (!signature.startsWith('ok-') || stored !== undefined)
      return { decision: 'refuse', reply: reply(409, { 'Content-Type': 'application/problem+json' }, 'refused') };
    const view = paymentView(`pay_${this.payments.size + 1}`, meter, quantity);
    this.payments.set(signature, { view });
    return { decision: 'serve', payment: view, captureWithinSeconds: 60 };
  }

  #capture(stored: Stored, request: CaptureRequest): CaptureDecision {
    if (this.withhold)
      return { decision: 'withhold', payment: stored.view, reply: reply(202, { 'retry-after': '2' }, 'pending') };
    stored.reply ??= request.reply;
    stored.view = { ...stored.view, status: 'submitted', charged: '1000' };
    return { decision: 'release', payment: stored.view, headers: RECEIPT };
  }

  #challenge(meter: string, quantity: string): WireReply {
    const offer = Buffer.from(JSON.stringify({ meter, quantity, n: this.questions.length })).toString('base64');
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
