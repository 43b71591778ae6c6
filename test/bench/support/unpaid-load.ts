import autocannon from 'autocannon';
import type { Server } from '../../../tools/servers/process.mjs';
import { decodePaymentRequired, type PaymentRequirements } from '@core/x402';
import { cpuSeconds } from './processes.js';

/** A door that answers unpaid requests. */
export interface Door {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly headers?: Record<string, string>;
  readonly body?: string;
  /** Asks for another URL every time. */
  readonly everyUrlNew?: boolean;
  /** What an answer to the load says to the agent: the challenge header, or nothing when it is no challenge. */
  readonly status: number;
  readonly challengeIn: 'header' | 'decision';
  /** The processes that answer. */
  readonly servers: readonly Pick<Server, 'pid'>[];
  readonly isRight: (offer: PaymentRequirements) => boolean;
}

export const CONNECTIONS = 64;

export interface Load {
  /** By the clock: load generator and servers share the machine. */
  readonly perSecond: number;
  /** By the processor time of the servers alone; 0 where the system does not tell. */
  readonly perCpuSecond: number;
}

let asked = 0;

/**
 * Asks a door for `seconds`, over the same connections for every door, and looks at every answer: it is a 402 with a challenge
 * that decodes to the right offer. Equal answers are decoded once.
 */
export async function loadUnpaid(door: Door, seconds: number): Promise<Load> {
  const before = cpuSeconds(door.servers);
  const distinct = new Set<string>();
  let withoutChallenge = 0;
  const load = autocannon({
    url: door.url,
    method: door.method,
    connections: CONNECTIONS,
    duration: seconds,
    ...(door.headers && { headers: door.headers }),
    ...(door.body !== undefined && { body: door.body }),
    ...(door.challengeIn === 'decision' && {
      verifyBody: (text: unknown) => {
        distinct.add(String(text));
        return true;
      },
    }),
    ...(door.everyUrlNew && {
      requests: [
        { setupRequest: (request: autocannon.Request) => ({ ...request, path: `/hello?name=${(asked += 1)}` }) },
      ],
    }),
    setupClient: (client) => {
      if (door.challengeIn === 'decision') return;
      client.on('headers', (head: unknown) => {
        const challenge = challengeHeader(head);
        if (challenge === undefined) withoutChallenge += 1;
        else distinct.add(challenge);
      });
    },
  });
  const result = await load;
  const took = (cpuSeconds(door.servers) ?? 0) - (before ?? 0);
  const answers = result.requests.total;
  const expected =
    Object.entries(result.statusCodeStats ?? {}).find(([code]) => code === String(door.status))?.[1].count ?? 0;
  const faults = result.errors + result.timeouts + result.mismatches + withoutChallenge + (answers - expected);
  if (faults > 0 || answers === 0 || distinct.size === 0) {
    throw new Error(
      `${door.url}: of ${answers} answers ${expected} were ${door.status}; ${withoutChallenge} had no challenge, ${result.errors} errors, ${result.timeouts} time-outs`,
    );
  }
  if (door.everyUrlNew && distinct.size < answers * 0.9)
    throw new Error(`${door.url}: ${distinct.size} challenges for ${answers} URLs`);
  for (const answer of distinct) {
    const offers = offersIn(door.challengeIn === 'header' ? answer : challengeOfDecision(answer));
    if (offers.length !== 1 || !offers.every(door.isRight))
      throw new Error(`${door.url}: a wrong offer: ${JSON.stringify(offers)}`);
  }
  return { perSecond: answers / result.duration, perCpuSecond: took > 0 ? answers / took : 0 };
}

/** autocannon hands the head over as its parser has it: names and values in turn. */
function challengeHeader(head: unknown): string | undefined {
  if (typeof head !== 'object' || head === null || !('headers' in head) || !Array.isArray(head.headers))
    return undefined;
  const { headers }: { headers: unknown[] } = { headers: head.headers };
  const at = headers.findIndex((part, i) => i % 2 === 0 && String(part).toLowerCase() === 'payment-required');
  return at < 0 ? undefined : String(headers[at + 1]);
}

/** The challenge that the gate tells a paywall to give. */
function challengeOfDecision(text: string): string {
  const decision: unknown = JSON.parse(text);
  const read = (from: unknown, name: string): unknown =>
    typeof from === 'object' && from !== null ? Reflect.get(from, name) : undefined;
  const reply = read(decision, 'reply');
  if (read(decision, 'decision') !== 'pay' || read(reply, 'status') !== 402)
    throw new Error(`not a challenge: ${text.slice(0, 200)}`);
  return String(read(read(reply, 'headers'), 'PAYMENT-REQUIRED'));
}

function offersIn(header: string): readonly PaymentRequirements[] {
  const read = decodePaymentRequired(header);
  if (!read.ok) throw new Error(`a challenge does not decode: ${read.message}`);
  return read.payload.accepts;
}
