import type {
  CaptureDecision,
  CaptureRequest,
  CheckDecision,
  CheckRequest,
  ExtendRequest,
  VoidDecision,
  VoidRequest,
} from './contract.js';
import { GateError } from './errors.js';
import type { AskGate } from './gate-connections.js';
import { type Extension, readCapture, readCheck, readExtend, readVoid } from './gate-answers.js';

type Step = GateError['step'];

/**
 * Asks the gate. A question that got no answer is asked once more, unchanged: the gate answers the same question the same
 * way, and a connection kept alive may have been closed from the other side. Every method rejects with GateError.
 */
export class GateClient {
  constructor(private readonly ask: AskGate) {}

  check(request: CheckRequest): Promise<CheckDecision> {
    return this.#ask('check', request, readCheck);
  }

  capture(request: CaptureRequest): Promise<CaptureDecision> {
    return this.#ask('capture', request, readCapture);
  }

  extend(request: ExtendRequest): Promise<Extension> {
    return this.#ask('extend', request, readExtend);
  }

  void(request: VoidRequest): Promise<VoidDecision> {
    return this.#ask('void', request, readVoid);
  }

  async #ask<Answer>(step: Step, question: object, read: (answer: unknown) => Answer | undefined): Promise<Answer> {
    const asked = { step, body: JSON.stringify(question) };
    const { status, answer } = await this.ask(asked, false)
      .catch(() => this.ask(asked, true))
      .catch((cause: unknown) => {
        throw new GateError(step, 'it gave no answer.', undefined, { cause });
      });
    if (status < 200 || status > 299) {
      const said = typeof answer === 'string' ? answer : JSON.stringify(answer ?? null);
      throw new GateError(step, `it answered ${status}: ${said.slice(0, 300)}`, status);
    }
    const decision = read(answer);
    if (decision === undefined) throw new GateError(step, 'its answer is not a decision.', status);
    return decision;
  }
}
