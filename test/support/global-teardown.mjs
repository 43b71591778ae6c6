import { stopAll } from './global-setup.mjs';

export default async function tearDown() {
  await stopAll(globalThis.fareboxTestServers);
}
