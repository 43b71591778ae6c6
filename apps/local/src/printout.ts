import { formatDecimal, fromAtomic } from '@core/money';
import type { Balance, Metered, PaymentState } from './books.js';
import type { Purchase } from './demo-agent.js';
import type { Calls } from './demo-ways.js';
import type { DataFolder } from './data-folder.js';
import type { DemoKeys } from './secrets.js';
import type { Services } from './services.js';
import type { Wallets } from './wallets.js';

const USDC_DECIMALS = 6;
const ETHER_DECIMALS = 18;
const usdc = (atomic: bigint): string => `${formatDecimal(fromAtomic(atomic, USDC_DECIMALS))} USDC`;

export const purchaseLine = (purchase: Purchase): string =>
  `Agent bought ${purchase.what}: quoted ${usdc(purchase.quoted)}, paid ${usdc(purchase.paid)}, ` +
  `${purchase.status} after ${purchase.milliseconds} ms`;

export const channelLine = ({
  calls,
  charged,
  deposited,
  milliseconds,
}: Calls & { readonly deposited: bigint }): string =>
  `Agent paid ${calls} calls by vouchers of a channel: ` +
  `${deposited > 0n ? `deposited ${usdc(deposited)}, ` : ''}charged ${usdc(charged)}, ${milliseconds} ms in all`;

export const balanceLine = ({ calls, charged, milliseconds }: Calls, available: bigint): string =>
  `Agent paid ${calls} calls from a balance of ${usdc(available)} by showing a key: charged ${usdc(charged)}, ${milliseconds} ms in all`;

export const creditLine = ({ calls, charged, milliseconds }: Calls, available: bigint): string =>
  `Agent made ${calls} calls on credit, of ${usdc(available)} that were left: charged ${usdc(charged)}, ${milliseconds} ms in all; its card pays the month's statement`;

export const fundingLine = (address: string, balance: bigint): string => `Agent ${address} holds ${usdc(balance)}`;

/** What became of the demo, in tables. */
export function printBooks(facts: {
  payments: readonly { purchase: Purchase; state: PaymentState }[];
  account: string;
  metered: readonly Metered[];
  balances: readonly Balance[];
  statements: readonly string[];
}): void {
  section(
    'Paid',
    facts.payments.map(({ purchase, state }) => [
      state.id,
      usdc(purchase.paid),
      state.status,
      state.transaction ?? 'no transaction',
    ]),
  );
  section(
    `Metered this month, account ${facts.account}`,
    facts.metered.map(({ meter, total, unit, what }) => [meter, total, unit, what]),
  );
  section(
    'Ledger',
    facts.balances.map(({ code, name, detail, asset, balance }) => [code, name, inUnits(asset, balance), detail]),
  );
  section(
    'Statement',
    facts.statements.map((file) => [file]),
  );
}

function inUnits(asset: string, balance: string): string {
  if (asset.includes('/erc20:')) return usdc(BigInt(balance));
  if (asset.endsWith('/slip44:60')) return `${formatDecimal(fromAtomic(BigInt(balance), ETHER_DECIMALS))} ETH`;
  return `${balance} ${asset}`;
}

/** Where everything is, and lines to paste. */
export function printWhereToGo(
  { apiUrl, workerUrl }: Services,
  parts: {
    demoUrl: string;
    chainUrl: string;
    standInUrl: string | undefined;
    keys: DemoKeys;
    wallets: Wallets;
    data: DataFolder;
  },
): void {
  const { demoUrl, chainUrl, standInUrl, keys, wallets, data } = parts;
  section('Here', [
    ['api', apiUrl],
    ['its pages', `${apiUrl}/docs`],
    ['its document', `${apiUrl}/openapi.json`],
    ['metrics', `${apiUrl}/metrics`],
    ['', `${workerUrl}/metrics`],
    ['demo provider', demoUrl],
    ['chain', chainUrl],
    ...(standInUrl === undefined ? [] : [['stand-in for Stripe', standInUrl] as const]),
    ['logs', data.logs],
    ['keys', data.secrets],
    ['agent wallet', wallets.agent.address],
    ['its key', wallets.agent.privateKey],
    ['paid to', wallets.provider.address],
  ]);
  const event = {
    specversion: '1.0',
    id: 'my-first-event',
    source: '/terminal',
    type: 'api.calls',
    subject: 'my-first-account',
  };
  const authorized = '-H "authorization: Bearer $FAREBOX_KEY"';
  const json = "-H 'content-type: application/json'";
  console.log(`
To go on with, in another terminal in this folder

  export FAREBOX_KEY=${keys.owner}
  curl -i ${demoUrl}/hello
  curl ${authorized} ${apiUrl}/v1/meters
  curl ${authorized} ${apiUrl}/v1/ledger/balances
  curl ${authorized} ${json} ${apiUrl}/v1/accounts -d '{"name":"my-first-account"}'
  curl ${authorized} -H 'content-type: application/cloudevents+json' ${apiUrl}/v1/events -d '${JSON.stringify(event)}'
  (set -a; . '${data.environment}'; npm run keys -- list --provider ${keys.provider})
  (set -a; . '${data.environment}'; npm run verify)
`);
}

/** A heading and rows, whose columns stand below each other. */
function section(heading: string, rows: readonly (readonly string[])[]): void {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, cell.length)));
  console.log(`\n${heading}\n`);
  for (const row of rows) {
    console.log(`  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd());
  }
}
