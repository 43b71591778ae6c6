import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { GateMessage, PostToGate } from '../gate-connections.js';

/**
 * Posts over connections of its own that are kept alive. A priced request waits for two of these, and Node's own client takes
 * a fraction of the time that `fetch` does. It follows no redirect: a key does not go to wherever one points.
 */
export class KeptConnections {
  readonly #plain = new HttpAgent({ keepAlive: true });
  readonly #encrypted = new HttpsAgent({ keepAlive: true });

  readonly post: PostToGate = async (message) => {
    let text = '';
    const status = await this.#exchange(message, () => (part) => (text += part));
    return { status, text };
  };

  /**
   * Hands on each line of an answer with status 200 when it is there; of any other answer gives the text. A last line without an
   * end is none: it may have been cut off.
   */
  async postForLines(message: GateMessage, onLine: (line: string) => void): ReturnType<PostToGate> {
    let text = '';
    const status = await this.#exchange(message, ({ statusCode }) => (part) => {
      text += part;
      if (statusCode !== 200) return;
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      lines.forEach(onLine);
    });
    return { status, text };
  }

  /** @returns the status, once the answer has ended */
  #exchange(
    { url, headers, body, timeoutMs }: GateMessage,
    read: (response: IncomingMessage) => (part: string) => void,
  ): Promise<number> {
    return new Promise((resolve, reject) => {
      const settings = { method: 'POST', headers: { ...headers, 'content-length': Buffer.byteLength(body) } };
      const request = url.startsWith('https:')
        ? httpsRequest(url, { ...settings, agent: this.#encrypted })
        : httpRequest(url, { ...settings, agent: this.#plain });
      const late = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
      const fail = (error: Error): void => {
        clearTimeout(late);
        reject(error);
      };
      request.on('error', fail);
      request.on('response', (response) => {
        response.setEncoding('utf8');
        response.on('data', read(response));
        response.on('error', fail);
        response.on('end', () => {
          clearTimeout(late);
          resolve(response.statusCode ?? 0);
        });
      });
      request.end(body);
    });
  }
}
