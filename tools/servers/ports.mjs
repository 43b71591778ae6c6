import { connect, createServer } from 'node:net';

const HOST = '127.0.0.1';

/** Binds and lets go again. Resolves to the port, or to undefined when somebody else has it. */
function tryPort(port, host) {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(undefined));
    probe.listen({ port, host, exclusive: true }, () => {
      const bound = probe.address().port;
      probe.close(() => resolve(bound));
    });
  });
}

export async function freePort() {
  const port = await tryPort(0, HOST);
  if (port === undefined) throw new Error(`no port is free on ${HOST}`);
  return port;
}

/** Some systems let the loopback address be bound beside a listener on all addresses, so both are asked. */
export async function isFree(port) {
  return (await tryPort(port, HOST)) !== undefined && (await tryPort(port, undefined)) !== undefined;
}

export async function firstFreePort(preferred, taken = []) {
  const last = Math.min(preferred + 200, 65_535);
  for (let port = preferred; port <= last; port++) {
    if (!taken.includes(port) && (await isFree(port))) return port;
  }
  throw new Error(`no port between ${preferred} and ${last} is free`);
}

export function answers(port, host = HOST) {
  return new Promise((resolve) => {
    const socket = connect({ port, host });
    const done = (yes) => {
      socket.destroy();
      resolve(yes);
    };
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
    socket.setTimeout(2_000, () => done(false));
  });
}
