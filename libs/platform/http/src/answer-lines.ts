import { Fault } from '@core/faults';
import type { Logger } from '@platform/telemetry';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { LINES_TYPE, type Operation } from './operation.js';
import { renderProblem } from './problems.js';

/** A hot route whose body is one JSON text a line, each answered by a line of its own. Its operation is `raw`. */
export interface LineRoute {
  readonly operation: Operation;
  readonly mostLines: number;
  /** The answer to one line. What it throws is the answer to this line alone. */
  readonly answerLine: (line: unknown, request: FastifyRequest) => Promise<unknown>;
}

/**
 * Answers every line by `{n, status, answer}`, as soon as it is known; what is known at the same moment leaves in one piece. `n` is the
 * number of the line, from 0; `answer` is a problem document where `status` says so.
 * @throws Fault invalid_request (`missing_body`, `too_many_lines`)
 */
export function answerLines(
  { mostLines, answerLine }: LineRoute,
  logger: Logger,
  request: FastifyRequest,
  reply: FastifyReply,
  body: Buffer,
): void {
  const lines = body.toString('utf8').trimEnd().split('\n');
  if (lines.length > mostLines) {
    throw new Fault('invalid_request', `The body has ${lines.length} lines: send at most ${mostLines} at once.`, {
      reason: 'too_many_lines',
    });
  }
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, {
    ...(reply.getHeaders() as OutgoingHttpHeaders),
    'content-type': LINES_TYPE,
    'cache-control': 'no-store',
  });
  const out = new LinesOut(raw, lines.length);
  lines.forEach((line, n) => {
    answerTo(line)
      .then((answer) => out.write(`{"n":${n},"status":200,"answer":${JSON.stringify(answer)}}\n`))
      .catch((thrown: unknown) => {
        const { status, body: problem, ours } = renderProblem(thrown, request.id);
        if (ours)
          logger.error({ requestId: request.id, route: request.routeOptions.url, err: thrown }, 'request failed');
        out.write(`{"n":${n},"status":${status},"answer":${problem}}\n`);
      });
  });

  async function answerTo(line: string): Promise<unknown> {
    return answerLine(readJsonLine(line), request);
  }
}

/** Gathers lines until the turn of the event loop is over, and ends with the last one. */
class LinesOut {
  #text = '';
  #isAboutToWrite = false;

  constructor(
    private readonly response: ServerResponse,
    private left: number,
  ) {}

  write(line: string): void {
    this.left -= 1;
    this.#text += line;
    if (this.#isAboutToWrite) return;
    this.#isAboutToWrite = true;
    setImmediate(() => {
      this.#isAboutToWrite = false;
      const text = this.#text;
      this.#text = '';
      if (this.response.destroyed) return;
      if (this.left === 0) this.response.end(text);
      else this.response.write(text);
    });
  }
}

/** Keys by which an object could come to pass for another. */
const POISONED = /__proto__|constructor|\\u/;

function readJsonLine(text: string): unknown {
  try {
    return POISONED.test(text) ? JSON.parse(text, refusePoison) : JSON.parse(text);
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault(
      'invalid_request',
      'This line is not JSON: check brackets and quotes, and that it was not cut off.',
      {
        reason: 'malformed_json',
      },
    );
  }
}

function refusePoison(key: string, value: unknown): unknown {
  const isConstructor = key === 'constructor' && typeof value === 'object' && value !== null;
  if (key !== '__proto__' && !(isConstructor && Object.hasOwn(value, 'prototype'))) return value;
  throw new Fault('invalid_request', 'This line has a key that is never read: leave out __proto__ and constructor.', {
    reason: 'malformed_json',
  });
}
