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

/** One node's JSON-RPC over HTTP. Several questions travel in one request. */
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
    let response: Response;
    try {
      response = await fetch(this.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(this.timeoutMs),
      });
      // Some nodes answer a refusal with status 400 or 500 and a proper body; too many requests and gateways' errors have none.
      if (!response.ok && (response.status === 429 || response.status > 500))
        throw new Error(`status ${response.status}`);
      return await response.json();
    } catch (error) {
      throw silent('the node cannot be reached', error);
    }
  }
}
