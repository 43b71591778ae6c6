type Json = Readonly<Record<string, unknown>>;

/** USDC by network and contract (lower case), as Circle publishes them; each has 6 decimals. */
const USDC: ReadonlySet<string> = new Set([
  'eip155:1/0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48',
  'eip155:137/0x3c499c542cef5e3811e1192ce70d8cc03d5c3359',
  'eip155:8453/0x833589fcd6edb6e08f4c7c32d4f71b54bda02913',
  'eip155:42161/0xaf88d065e77c8cc2239327c5edb3a432268e5831',
  'eip155:43114/0xb97ef9ef8734c71904d8002f8b6bc66dd9c48a6e',
  'eip155:84532/0x036cbd53842c5426634e7929541ec2318f3dcf7e',
]);

const NETWORKS: Readonly<Record<string, string>> = {
  'eip155:1': 'Ethereum',
  'eip155:137': 'Polygon',
  'eip155:8453': 'Base',
  'eip155:42161': 'Arbitrum One',
  'eip155:43114': 'Avalanche',
  'eip155:84532': 'Base Sepolia (test money)',
  'farebox:prepaid': 'Balance kept by Farebox',
};

export const networkName = (network: string): string => NETWORKS[network] ?? network;

/** What an offer asks for in the units people use, where their size is known; else in the token's smallest units. */
export function amountInWords(offer: Json, network: string): string {
  const amount = typeof offer.amount === 'string' ? offer.amount : '';
  const asset = typeof offer.asset === 'string' ? offer.asset : '';
  const extra: Json = typeof offer.extra === 'object' && offer.extra !== null ? (offer.extra as Json) : {};
  const isUsdc = USDC.has(`${network}/${asset.toLowerCase()}`);
  const decimals = isUsdc ? 6 : extra.decimals;
  const name = isUsdc ? 'USDC' : typeof extra.name === 'string' && extra.name !== '' ? extra.name : asset;
  if (!/^\d{1,78}$/.test(amount)) return name;
  if (!Number.isInteger(decimals) || Number(decimals) < 0 || Number(decimals) > 36)
    return `${amount} smallest units of ${name}`;
  return `${inWholeUnits(amount, Number(decimals))} ${name}`;
}

/** At least two places behind the point, as prices are written. */
function inWholeUnits(amount: string, decimals: number): string {
  if (decimals === 0) return amount;
  const digits = amount.padStart(decimals + 1, '0');
  const fraction = digits.slice(-decimals).replace(/0+$/, '').padEnd(Math.min(2, decimals), '0');
  return `${BigInt(digits.slice(0, -decimals))}.${fraction}`;
}
