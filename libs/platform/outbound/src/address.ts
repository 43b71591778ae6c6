import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Answers to everybody on its machines although its address looks public: where a cloud keeps its metadata. */
const METADATA = new Set(['168.63.129.16']);

const GLOBAL_UNICAST: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('2000::'), 3];

/**
 * Whether an address is on the public internet: nothing of this machine, of its network, of a cloud's own services, and no IPv6
 * address that stands for an IPv4 one.
 */
export function isPublicAddress(text: string): boolean {
  // The library also reads shorthands, which no resolver gives.
  if (isIP(text) === 0) return false;
  const address = ipaddr.parse(text);
  if (address.range() !== 'unicast') return false;
  if (address.kind() === 'ipv4') return !METADATA.has(address.toString());
  return address.match(GLOBAL_UNICAST[0], GLOBAL_UNICAST[1]);
}

/** Whether an address is this machine itself. */
export const isLoopbackAddress = (text: string): boolean =>
  isIP(text) !== 0 && ipaddr.parse(text).range() === 'loopback';
