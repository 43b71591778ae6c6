import { freePort } from '../../../tools/servers/ports.mjs';
import type { Server } from '../../../tools/servers/process.mjs';
import { startScript } from './processes.js';

export interface Peer {
  readonly url: string;
  readonly process: Server;
  stop(): Promise<void>;
}

/** Starts the public stack over a chain that has USDC. */
export async function startPeer(options: { chainUrl: string; payTo: string; logs: string }): Promise<Peer> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const server = await startScript({
    name: 'public stack',
    file: 'test/bench/support/peer-server.ts',
    environment: { PORT: String(port), CHAIN_RPC_URL: options.chainUrl, PAY_TO: options.payTo },
    port,
    logs: options.logs,
    // It asks its facilitator what it supports before its first answer.
    isReady: async () => (await fetch(`${url}/hello`)).status === 402,
  });
  return { url, process: server, stop: () => server.stop() };
}
