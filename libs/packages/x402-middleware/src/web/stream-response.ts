import { EXPOSE, streamHeaders } from '../reply-headers.js';
import type { StreamedCall, StreamSink } from '../streamed-call.js';
import { bodyFor } from './web-reply.js';

/**
 * Lets a body go while it is made. The next part is only taken when the agent can take it, and only passed on when what it uses
 * is covered; nothing of it is kept.
 */
export function streamResponse(response: Response, call: StreamedCall, signal: AbortSignal): Response {
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(streamHeaders(call.payment, headers.get(EXPOSE))))
    headers.set(name, value);
  const { status, statusText } = response;
  const source = response.body ?? new ReadableStream<Uint8Array>({ start: (empty) => empty.close() });
  const body = new ReadableStream<Uint8Array>(new StreamedBody(source, call, signal), { highWaterMark: 0 });
  return new Response(bodyFor(status, body), { status, statusText, headers });
}

class StreamedBody implements StreamSink {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #state: 'selling' | 'last word' | 'over' = 'selling';
  #lastWord = 0;
  #wake: () => void = () => undefined;

  constructor(
    source: ReadableStream<Uint8Array>,
    private readonly call: StreamedCall,
    signal: AbortSignal,
  ) {
    this.#reader = source.getReader();
    call.attach(this);
    const hangUp = (): void => void this.cancel();
    if (signal.aborted) hangUp();
    else signal.addEventListener('abort', hangUp, { once: true });
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    try {
      const part = await this.#next();
      if (part === undefined) {
        await this.call.finish('ended');
        controller.close();
      } else controller.enqueue(part);
    } catch (error) {
      this.#state = 'over';
      await this.call.finish('failed');
      controller.error(error);
    }
  }

  /** The agent hung up: what was used is charged. */
  async cancel(): Promise<void> {
    this.#state = 'over';
    this.#letGo();
    await this.call.finish('closed');
  }

  moved(): void {
    this.#wake();
  }

  stopped(): void {
    if (this.#state === 'selling') this.#state = 'last word';
    // Which of the parts that are made already is covered cannot be told.
    if (this.call.wasUnheeded) this.cut();
    else this.#wake();
  }

  cut(): void {
    this.#state = 'over';
    this.#letGo();
  }

  /** The next part that may leave; nothing at the end. */
  async #next(): Promise<Uint8Array | undefined> {
    while (this.#state !== 'over') {
      const { done, value } = await this.#reader.read();
      // What nobody waited for may belong to a total that is not covered: it waits, and is thrown away if that never is.
      while (this.#state === 'selling' && this.call.isUnheeded)
        await new Promise<void>((resolve) => (this.#wake = resolve));
      if (done || this.isOver()) return undefined;
      if (this.#state === 'selling') {
        this.call.carry();
        return value;
      }
      this.#lastWord += value.byteLength;
      if (this.#lastWord > this.call.lastWordBytes) this.cut();
      else return value;
    }
    return undefined;
  }

  /** A method, since the state changes while others wait. */
  private isOver(): boolean {
    return this.#state === 'over';
  }

  /** Ends the handler's stream; a read that is under way ends with it. */
  #letGo(): void {
    this.#wake();
    void this.#reader.cancel().catch(() => undefined);
  }
}
