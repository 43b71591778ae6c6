// A process of its own that sends usage as fast as it is taken: `fork`ed by usage-load.process.ts, told what to do by messages.
import { randomUUID } from 'node:crypto';
import { CopyConnection } from './copy-connection.js';
import { type RawAnswer, RawConnection } from './raw-client.js';
import {
  copyLines,
  eventsOf,
  headOfId,
  isRepeat,
  openTemplate,
  REPEAT_EVERY,
  SOURCE,
  startOf,
  streamRest,
} from './usage-load.events.js';
import type { Load, LoadTask } from './usage-load.process.js';

/** Sends the next batch of a connection, and says how many of its events were new and whether it is to be tallied. */
interface Sender {
  send(): Promise<{ readonly variant: number; readonly events: number; readonly first: boolean }>;
  close(): void;
}

interface StreamState {
  readonly stream: string;
  seq: number;
}

/** What a connection has sent so far lives as long as the process: numbers and ids go on. */
const streams = new Map<string, StreamState>();
const openBatches = new Map<string, number>();

async function copySender(task: LoadTask, connection: number, lines: readonly Buffer[]): Promise<Sender> {
  const copy = await CopyConnection.open(task.url, 'copied_events');
  const messages = lines.map((each) => CopyConnection.batch(each));
  let sent = connection;
  return {
    send: async () => {
      const variant = (sent += 1) % task.content.variants;
      const events = await copy.copy(messages[variant] ?? Buffer.alloc(0));
      return { variant, events, first: false };
    },
    close: () => copy.close(),
  };
}

async function streamSender(task: LoadTask, connection: number, rests: readonly Buffer[]): Promise<Sender> {
  const raw = await RawConnection.open(task.url);
  const own = `${task.url} ${connection}`;
  const state = streams.get(own) ?? { stream: randomUUID(), seq: 0 };
  streams.set(own, state);
  let last: Buffer | undefined;
  let sinceRepeat = connection % REPEAT_EVERY;
  return {
    send: async () => {
      if (last && (sinceRepeat += 1) >= REPEAT_EVERY) {
        sinceRepeat = 0;
        expect(await raw.ask(last), 200, '"outcome":"duplicate"');
        return { variant: -1, events: 0, first: false };
      }
      state.seq += 1;
      const variant = (state.seq * task.connections + connection) % task.content.variants;
      const rest = rests[variant] ?? Buffer.alloc(0);
      const start = `{"stream":"${state.stream}","source":"${SOURCE}","seq":${state.seq}`;
      last = Buffer.concat([Buffer.from(head(task, start.length + rest.length) + start, 'latin1'), rest]);
      const answer = expect(await raw.ask(last), 200, '"outcome":"stored"');
      const accepted = Number(/"accepted":(\d+)/.exec(answer)?.[1]);
      if (accepted !== task.content.size) throw new Error(`a batch was not accepted: ${answer.slice(0, 500)}`);
      return { variant, events: accepted, first: true };
    },
    close: () => raw.close(),
  };
}

async function openSender(
  task: LoadTask,
  connection: number,
  templates: ReturnType<typeof openTemplate>[],
): Promise<Sender> {
  const raw = await RawConnection.open(task.url);
  const kind = task.kind === 'accepted' ? 'a' : 'v';
  const state = `${task.url} ${kind} ${connection}`;
  const { variants } = task.content;
  return {
    send: async () => {
      const batch = openBatches.get(state) ?? 0;
      openBatches.set(state, batch + 1);
      const variant = batch % variants;
      const { body, heads } = templates[variant] ?? { body: Buffer.alloc(0), heads: [] };
      const start = head(task, body.length);
      const request = Buffer.allocUnsafe(start.length + body.length);
      request.write(start, 'latin1');
      body.copy(request, start.length);
      const [own, earlier] = [batch, batch - variants].map((of) => headOfId(kind, connection, Math.max(of, 0)));
      const first = Math.floor(batch / variants) % 2 === 0;
      for (const [slot, at] of heads.entries()) {
        request.write((!first && isRepeat(slot) ? earlier : own) ?? '', start.length + at, 'latin1');
      }
      const answer = await raw.ask(request);
      const repeated = first ? 0 : heads.filter((_, slot) => isRepeat(slot)).length;
      const events = heads.length - repeated;
      if (kind === 'a') expect(answer, 202, `{"received":${heads.length},`);
      else expect(answer, 200, `{"accepted":${events},"duplicate":${repeated},`);
      return { variant, events, first };
    },
    close: () => raw.close(),
  };
}

function head({ url, key, kind }: LoadTask, length: number): string {
  const { host } = new URL(url);
  const lines = [
    `POST /v1/events${kind === 'stream' ? '/stream' : ''} HTTP/1.1`,
    `host: ${host}`,
    `authorization: Bearer ${key}`,
    `content-type: application/${kind === 'stream' ? 'json' : 'cloudevents-batch+json'}`,
    ...(kind === 'accepted' ? ['prefer: respond-async'] : []),
    `content-length: ${length}`,
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function expect({ status, body }: RawAnswer, wanted: number, part: string): string {
  if (status !== wanted || !body.includes(part))
    throw new Error(`expected ${part}, got ${status} ${body.slice(0, 500)}`);
  return body;
}

function sendersOf(task: LoadTask): Promise<Sender[]> {
  const { kind, content, provider } = task;
  const events = Array.from({ length: content.variants }, (_, variant) => eventsOf(variant, content));
  const connections = Array.from({ length: task.connections }, (_, i) => i);
  switch (kind) {
    case 'copy': {
      const lines = events.map((each) => copyLines(each, provider, randomUUID()));
      return Promise.all(connections.map((connection) => copySender(task, connection, lines)));
    }
    case 'stream': {
      const rests = events.map((each, variant) => streamRest(each, startOf(variant, content)));
      return Promise.all(connections.map((connection) => streamSender(task, connection, rests)));
    }
    case 'accepted':
    case 'verdicts': {
      const templates = events.map(openTemplate);
      return Promise.all(connections.map((connection) => openSender(task, connection, templates)));
    }
  }
}

async function run(task: LoadTask): Promise<Load> {
  const senders = await sendersOf(task);
  const zeros = () => Array.from({ length: task.content.variants }, () => 0);
  const [firsts, others] = [zeros(), zeros()];
  const latencies: number[] = [];
  let events = 0;
  const start = performance.now();
  const end = start + task.seconds * 1_000;
  const most = task.mostEvents ?? Infinity;
  try {
    await Promise.all(
      senders.map(async (sender) => {
        for (let asked = performance.now(); asked < end && events < most; asked = performance.now()) {
          const sent = await sender.send();
          latencies.push(performance.now() - asked);
          events += sent.events;
          const counts = sent.first ? firsts : others;
          if (sent.variant >= 0) counts[sent.variant] = (counts[sent.variant] ?? 0) + 1;
        }
      }),
    );
  } finally {
    for (const sender of senders) sender.close();
  }
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? 0;
  return {
    events,
    ms: performance.now() - start,
    requests: latencies.length,
    p50: at(0.5),
    p99: at(0.99),
    firsts,
    others,
  };
}

process.on('message', (task: LoadTask) => {
  run(task).then(
    (load) => process.send?.({ load }),
    (error: unknown) =>
      process.send?.({ problem: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
