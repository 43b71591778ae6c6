import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { Fault } from '@core/faults';

export interface RpcRequest {
  readonly method: string;
  readonly params: readonly unknown[];
}

/** The node understood the question and answers that it cannot be done. */
export class RpcRefusal extends Error {
  constructor(
    readonly method: string,
    readonly code: number | undefined,
    message: string,
    /** What a contract said while reverting, where the node tells. */
    readonly data: unknown,
  ) {
    super(message);
    this.name = 'RpcRefusal';
  }
}

interface WireAnswer {
  readonly id?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly code?: unknown; readonly message?: unknown; readonly data?: unknown };
}

const isAnswer = (value: unknown): value is WireAnswer => typeof value === 'object' && value !== null;

/** The node could not be asked, or did not make sense: nothing is known, least of all that something is invalid. */
const silent = (why: string, cause?: unknown): Fault =>
  new Fault('unavailable', 'The chain cannot be reached; try again shortly.', { cause: cause ?? new Error(why) });

/** Of all nodes: a connection that is kept open is used by whoever asks next. */
const plain = new HttpAgent({ keepAlive: true });
const encrypted = new HttpsAgent({ keepAlive: true });

/** One node's JSON-RPC over HTTP. Several questions travel in one request, over connections that are kept open. */
export class JsonRpc {
  #id = 0;

  constructor(
    private readonly url: string,
    private readonly timeoutMs = 5_000,
  ) {}

  /** @throws RpcRefusal when the node refuses, Fault unavailable when it cannot be asked. */
  async call(method: string, ...params: readonly unknown[]): Promise<unknown> {
    const [answer] = await this.all([{ method, params }]);
    if (answer instanceof RpcRefusal) throw answer;
    return answer;
  }

  /** One answer per request, in order; a refusal stands in the place of its answer. */
  async all(requests: readonly RpcRequest[]): Promise<unknown[]> {
    if (requests.length === 0) return [];
    const asked = requests.map(({ method, params }) => ({ jsonrpc: '2.0', id: (this.#id += 1), method, params }));
    const heard = await this.#post(asked.length === 1 ? asked[0] : asked);
    const answers = Array.isArray(heard) ? heard : [heard];
    const byId = new Map<unknown, WireAnswer>();
    for (const answer of answers) if (isAnswer(answer)) byId.set(answer.id, answer);
    return asked.map(({ id, method }) => {
      const answer = byId.get(id);
      if (!answer) throw silent(`the node left ${method} without an answer`);
      if (answer.error === undefined) return answer.result;
      const { code, message, data } = answer.error;
      return new RpcRefusal(method, typeof code === 'number' ? code : undefined, String(message), data);
    });
  }

  async #post(body: unknown): Promise<unknown> {
    const text = JSON.stringify(body);
    try {
      const { status, answer } = await this.#exchange(text).catch((error: unknown) => {
        // The node had closed a connection that was kept: it has not seen the question.
        if (error instanceof ClosedMeanwhile) return this.#exchange(text);
        throw error;
      });
      // Some nodes answer a refusal with status 400 or 500 and a proper body; too many requests and gateways' errors have none.
      if (status === 429 || status > 500 || (status >= 300 && status < 400)) throw new Error(`status ${status}`);
      return JSON.parse(answer) as unknown;
    } catch (error) {
      throw silent('the node cannot be reached', error);
    }
  }

  #exchange(text: string): Promise<{ readonly status: number; readonly answer: string }> {
    return new Promise((resolve, reject) => {
      const settings = {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json',
          'user-agent': 'farebox',
          'content-length': Buffer.byteLength(text),
        },
      };
      const request = this.url.startsWith('https:')
        ? httpsRequest(this.url, { ...settings, agent: encrypted })
        : httpRequest(this.url, { ...settings, agent: plain });
      const late = setTimeout(
        () => request.destroy(new Error(`no answer within ${this.timeoutMs} ms`)),
        this.timeoutMs,
      );
      const fail = (error: NodeJS.ErrnoException): void => {
        clearTimeout(late);
        reject(request.reusedSocket && error.code === 'ECONNRESET' ? new ClosedMeanwhile() : error);
      };
      request.on('error', fail);
      request.on('response', (response: IncomingMessage) => {
        let answer = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => (answer += part));
        response.on('error', fail);
        response.on('end', () => {
          clearTimeout(late);
          resolve({ status: response.statusCode ?? 0, answer });
        });
      });
      request.end(text);
    });
  }
}

class ClosedMeanwhile extends Error {}
