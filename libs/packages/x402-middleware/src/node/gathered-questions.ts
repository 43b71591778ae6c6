import {
  type AskGate,
  type GateAnswer,
  gateHeaders,
  type GateQuestion,
  oneByOne,
  readJson,
} from '../gate-connections.js';
import type { Settings } from '../options.js';
import type { KeptConnections } from './kept-connections.js';

/** What the gate takes in one exchange, see the contract. */
const MOST_QUESTIONS = 256;
const MOST_CHARACTERS = 1 << 20;
/** A longer question travels by itself. */
const LONG_CHARACTERS = 128 << 10;

/** Exchanges that wait for their first answer. While so many do, questions gather. */
const AT_ONCE = 2;
/** One whose answers are slow to come, as those that wait for the chain are, holds back nothing for longer. */
const HOLDS_BACK_MS = 20;
/** How long a gate that knows no exchange of many is not asked for one. */
const WITHOUT_MS = 60_000;

const TYPE = 'application/x-ndjson';
/** The exchange cannot be read by this gate, or by what stands before it; single questions may be. */
const ONLY_SINGLE = new Set([400, 404, 405, 413, 415]);

interface Waiting extends GateQuestion {
  readonly resolve: (answer: GateAnswer | Promise<GateAnswer>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Puts questions that wait at the same moment to the gate in one exchange: of what a priced request costs on both sides, most is
 * the exchange. There is no timer to wait for; a question that is alone goes at once, to the route of its own.
 */
export const gathered = (
  settings: Pick<Settings, 'gate' | 'key' | 'timeoutMs' | 'elapsed'>,
  connections: Pick<KeptConnections, 'post' | 'postForLines'>,
): AskGate => {
  const gathering = new GatheredQuestions(settings, connections);
  return (question, isAgain) => gathering.ask(question, isAgain);
};

class GatheredQuestions {
  readonly #alone: AskGate;
  readonly #headers: Readonly<Record<string, string>>;
  #waiting: Waiting[] = [];
  #underWay = 0;
  #isAboutToSend = false;
  #aloneUntil = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly settings: Pick<Settings, 'gate' | 'key' | 'timeoutMs' | 'elapsed'>,
    private readonly connections: Pick<KeptConnections, 'post' | 'postForLines'>,
  ) {
    this.#alone = oneByOne(settings, connections.post);
    this.#headers = gateHeaders(settings, TYPE);
  }

  /** What got no answer among others goes by itself: whatever it met there, it does not meet again. */
  ask(question: GateQuestion, isAgain: boolean): Promise<GateAnswer> {
    const goesAlone = isAgain || question.body.length > LONG_CHARACTERS || this.settings.elapsed() < this.#aloneUntil;
    if (goesAlone) return this.#alone(question, isAgain);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...question, resolve, reject });
      this.#send();
    });
  }

  #send(): void {
    if (this.#isAboutToSend || this.#underWay >= AT_ONCE || this.#waiting.length === 0) return;
    this.#isAboutToSend = true;
    // What is asked in the same turn of the event loop goes together.
    setImmediate(() => {
      this.#isAboutToSend = false;
      this.#exchange(this.#take());
      this.#send();
    });
  }

  #take(): readonly Waiting[] {
    let [count, characters] = [0, 0];
    for (const { body } of this.#waiting) {
      characters += body.length;
      if (count === MOST_QUESTIONS || (count > 0 && characters > MOST_CHARACTERS)) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  #exchange(questions: readonly Waiting[]): void {
    const [first] = questions;
    if (first === undefined) return;
    this.#underWay += 1;
    let holdsBack = true;
    const letOn = (): void => {
      if (!holdsBack) return;
      holdsBack = false;
      clearTimeout(slow);
      this.#underWay -= 1;
      this.#send();
    };
    const slow = setTimeout(letOn, HOLDS_BACK_MS);
    if (questions.length === 1) void this.#alone(first, false).finally(letOn).then(first.resolve, first.reject);
    else void this.#together(questions, letOn).finally(letOn);
  }

  /** Never rejects. */
  async #together(questions: readonly Waiting[], onAnswer: () => void): Promise<void> {
    const open = new Map(questions.entries());
    const { gate, timeoutMs } = this.settings;
    const body = questions.map((asked) => `{"ask":"${asked.step}","question":${asked.body}}`).join('\n');
    try {
      const { status, text } = await this.connections.postForLines(
        { url: `${gate}/batch`, headers: this.#headers, body, timeoutMs },
        (line) => {
          const read = readAnswer(line);
          if (read === undefined) return;
          open.get(read.n)?.resolve(read);
          open.delete(read.n);
          onAnswer();
        },
      );
      if (status === 200) throw new Error('the gate left it without an answer');
      if (status === 404 || status === 405) this.#aloneUntil = this.settings.elapsed() + WITHOUT_MS;
      const answer = readJson(text);
      for (const asked of open.values())
        asked.resolve(ONLY_SINGLE.has(status) ? this.#alone(asked, false) : { status, answer });
    } catch (error) {
      for (const asked of open.values()) asked.reject(error);
    }
  }
}

function readAnswer(line: string): (GateAnswer & { readonly n: number }) | undefined {
  const read = readJson(line);
  if (typeof read !== 'object' || read === null || !('n' in read) || !('status' in read)) return undefined;
  const { n, status } = read;
  if (typeof n !== 'number' || typeof status !== 'number') return undefined;
  return { n, status, answer: 'answer' in read ? read.answer : undefined };
}
