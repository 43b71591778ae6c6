import type {
  CaptureDecision,
  CaptureRequest,
  CheckDecision,
  CheckRequest,
  VoidDecision,
  VoidRequest,
} from './contract.js';
import { GateError } from './errors.js';
import type { PostToGate } from './gate-connections.js';
import { readCapture, readCheck, readVoid } from './gate-answers.js';
import type { Settings } from './options.js';

type Step = GateError['step'];

/**
 * Asks the gate. A question that got no answer is asked once more, unchanged: the gate answers the same question the same
 * way, and a connection kept alive may have been closed from the other side. Every method rejects with GateError.
 */
export class GateClient {
  constructor(private readonly settings: Pick<Settings, 'gate' | 'key' | 'timeoutMs' | 'post'>) {}

  check(request: CheckRequest): Promise<CheckDecision> {
    return this.#ask('check', request, readCheck);
  }

  capture(request: CaptureRequest): Promise<CaptureDecision> {
    return this.#ask('capture', request, readCapture);
  }

  void(request: VoidRequest): Promise<VoidDecision> {
    return this.#ask('void', request, readVoid);
  }

  async #ask<Answer>(step: Step, question: object, read: (answer: unknown) => Answer | undefined): Promise<Answer> {
    const body = JSON.stringify(question);
    const { status, text } = await this.#post(step, body)
      .catch(() => this.#post(step, body))
      .catch((cause: unknown) => {
        throw new GateError(step, 'it gave no answer.', undefined, { cause });
      });
    if (status < 200 || status > 299) throw new GateError(step, `it answered ${status}: ${text.slice(0, 300)}`, status);
    const answer = read(parsed(text));
    if (answer === undefined) throw new GateError(step, 'its answer is not a decision.', status);
    return answer;
  }

  #post(step: Step, body: string): ReturnType<PostToGate> {
    const { gate, key, timeoutMs } = this.settings;
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json',
      authorization: `Bearer ${key}`,
    };
    return this.settings.post({ url: `${gate}/${step}`, headers, body, timeoutMs });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
