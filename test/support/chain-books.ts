import type pg from 'pg';
import { keccak256, toHex } from 'viem';
import { rpc } from '../../tools/servers/rpc.mjs';

// A checker that shares no code with the service: it reads the tables and the chain by itself, and compares them with what a
// campaign wrote down of what it sent and what it was told.

/** An authorization a campaign signed and presented. */
export interface Sent {
  readonly payer: string;
  readonly nonce: string;
  readonly value: bigint;
  /** Whether the service said that it served the request, or would. */
  readonly acknowledged: boolean;
}

interface Use {
  readonly kind: 'used' | 'canceled';
  readonly transaction: string;
  /** What moved, for a use. */
  readonly to: string | undefined;
  readonly value: bigint;
}

interface Log {
  readonly topics: readonly string[];
  readonly data: string;
  readonly transactionHash: string;
  readonly logIndex: string;
}

interface PaymentRow {
  readonly id: string;
  readonly payer: string;
  readonly pay_to: string;
  readonly nonce: string;
  readonly state: string;
  readonly charged: string | null;
  readonly valid_before: string;
  readonly transaction: string | null;
}

const USED = keccak256(toHex('AuthorizationUsed(address,bytes32)'));
const CANCELED = keccak256(toHex('AuthorizationCanceled(address,bytes32)'));
const TRANSFER = keccak256(toHex('Transfer(address,address,uint256)'));
const NOBODY = `0x${'00'.repeat(20)}`;

const isLog = (value: unknown): value is Log =>
  typeof value === 'object' &&
  value !== null &&
  'topics' in value &&
  'data' in value &&
  'transactionHash' in value &&
  'logIndex' in value;

const addressOf = (topic = ''): string => `0x${topic.slice(-40)}`;
const keyOf = (payer: string, nonce: string): string => `${payer}|${nonce}`;

/** What the token says happened, up to a block. */
class TokenHistory {
  readonly uses = new Map<string, Use>();
  /** Payee to payer to what was received. */
  readonly received = new Map<string, bigint>();

  constructor(logs: readonly Log[]) {
    logs.forEach((log, i) => {
      const [kind, first, second = ''] = log.topics;
      if (kind === TRANSFER && addressOf(first) !== NOBODY) {
        const key = `${addressOf(first)}>${addressOf(second)}`;
        this.received.set(key, (this.received.get(key) ?? 0n) + BigInt(log.data));
      }
      if (kind !== USED && kind !== CANCELED) return;
      const next = logs[i + 1];
      const moved = kind === USED && next?.topics[0] === TRANSFER ? next : undefined;
      const key = keyOf(addressOf(first), second);
      if (this.uses.has(key)) throw new Error(`the token let ${key} be used twice`);
      this.uses.set(key, {
        kind: kind === USED ? 'used' : 'canceled',
        transaction: log.transactionHash,
        to: moved && addressOf(moved.topics[2]),
        value: BigInt(moved?.data ?? 0),
      });
    });
  }
}

interface BooksToCheck {
  readonly owner: pg.Pool;
  readonly rpcUrl: string;
  readonly token: string;
  /** Lower case. */
  readonly payee: string;
  readonly finality: number;
  readonly sent: readonly Sent[];
  /** Of each relayer, what it held of the native asset at the start. */
  readonly relayers: ReadonlyMap<string, bigint>;
}

const LEDGER_BALANCE = `
  SELECT coalesce(sum(CASE WHEN d.code = $1 AND d.detail = $2 THEN t.amount ELSE 0 END), 0)
       - coalesce(sum(CASE WHEN c.code = $1 AND c.detail = $2 THEN t.amount ELSE 0 END), 0) AS balance
  FROM transfers t JOIN ledger_accounts d ON d.id = t.debit_id JOIN ledger_accounts c ON c.id = t.credit_id`;

/** @returns what is wrong, in words; nothing when ledger and finalized chain agree to the unit */
export async function faultsAgainstChain(books: BooksToCheck): Promise<string[]> {
  const { owner, rpcUrl, token, payee, sent, relayers } = books;
  const faults: string[] = [];
  const head = BigInt(String(await rpc(rpcUrl, 'eth_blockNumber')));
  const finalized = toHex(head > BigInt(books.finality) ? head - BigInt(books.finality) : 0n);
  const found = await rpc(rpcUrl, 'eth_getLogs', { address: token, fromBlock: '0x0', toBlock: finalized });
  const chain = new TokenHistory(Array.isArray(found) ? found.filter(isLog) : []);
  const time = await timeOf(rpcUrl, finalized);

  const { rows: payments } = await owner.query<PaymentRow>(
    `SELECT id, payer, pay_to, '0x' || encode(nonce, 'hex') AS nonce, state, charged::text, valid_before::text,
       '0x' || encode(transaction, 'hex') AS transaction FROM payments`,
  );
  for (const payment of payments) {
    const use = chain.uses.get(keyOf(payment.payer, payment.nonce));
    const isPaid = use?.kind === 'used' && use.to === payment.pay_to && use.value === BigInt(payment.charged ?? '-1');
    if (payment.state === 'settled') {
      if (!isPaid) faults.push(`${payment.id} is settled, and the final chain does not pay it`);
      else if (use.transaction !== payment.transaction)
        faults.push(`${payment.id} is settled by ${payment.transaction}, the chain pays it by ${use.transaction}`);
    } else if (payment.state === 'failed') {
      if (isPaid) faults.push(`${payment.id} is shown as failed, and ${use.transaction} pays it`);
      else if (!use && time <= BigInt(payment.valid_before)) faults.push(`${payment.id} failed, and can still be paid`);
    } else if (payment.state !== 'voided') {
      faults.push(`${payment.id} has not ended: ${payment.state}`);
    } else if (isPaid) {
      faults.push(`${payment.id} was let go, and ${use.transaction} pays it`);
    }
  }

  // What was sent: acknowledged is there once; refused moved money only where somebody else carried it.
  const claims = new Map<string, number>();
  for (const { payer, nonce } of payments) claims.set(keyOf(payer, nonce), (claims.get(keyOf(payer, nonce)) ?? 0) + 1);
  const strays = new Map<string, bigint>();
  for (const { payer, nonce, value, acknowledged } of sent) {
    const there = claims.get(keyOf(payer, nonce)) ?? 0;
    if (there > 1 || (acknowledged && there === 0)) faults.push(`${nonce} was presented and is there ${there} times`);
    if (there > 0 || chain.uses.get(keyOf(payer, nonce))?.kind !== 'used') continue;
    strays.set(payer, (strays.get(payer) ?? 0n) + value);
  }
  const known = new Set(sent.map(({ payer, nonce }) => keyOf(payer, nonce)));
  for (const key of claims.keys()) if (!known.has(key)) faults.push(`${key} was never sent`);

  // The ledger, payer by payer and for the payee as a whole.
  const { rows: settled } = await owner.query<{ payer: string; amount: string }>(
    `SELECT p.payer, sum(t.amount)::text AS amount FROM transfers t JOIN ledger_accounts d ON d.id = t.debit_id
     JOIN payments p ON p.id = t.reference WHERE d.code = '1020' AND d.detail = $1 GROUP BY 1`,
    [payee],
  );
  const ledger = new Map(settled.map(({ payer, amount }) => [payer, BigInt(amount)]));
  for (const payer of new Set([...sent.map((one) => one.payer), ...ledger.keys()])) {
    const onChain = (chain.received.get(`${payer}>${payee}`) ?? 0n) - (strays.get(payer) ?? 0n);
    const inLedger = ledger.get(payer) ?? 0n;
    if (onChain !== inLedger) faults.push(`payer ${payer}: ${inLedger} in the ledger, ${onChain} on chain`);
  }
  const balance = async (code: string, detail: string): Promise<bigint> =>
    BigInt((await owner.query<{ balance: string }>(LEDGER_BALANCE, [code, detail])).rows[0]?.balance ?? '0');
  const data = `0x70a08231${payee.slice(2).padStart(64, '0')}`;
  const stray = [...strays.values()].reduce((sum, value) => sum + value, 0n);
  const held = BigInt(String(await rpc(rpcUrl, 'eth_call', { to: token, data }, finalized))) - stray;
  const booked = await balance('1020', payee);
  if (held !== booked) faults.push(`payee ${payee}: ${booked} in the ledger, ${held} on chain`);
  for (const [relayer, start] of relayers) {
    const spent = start - BigInt(String(await rpc(rpcUrl, 'eth_getBalance', relayer, finalized)));
    const gas = -(await balance('1021', relayer));
    if (spent !== gas) faults.push(`relayer ${relayer}: ${gas} of gas in the ledger, ${spent} on chain`);
  }
  return faults;
}

async function timeOf(rpcUrl: string, block: string): Promise<bigint> {
  const found = await rpc(rpcUrl, 'eth_getBlockByNumber', block, false);
  if (typeof found !== 'object' || found === null || !('timestamp' in found))
    throw new Error('the chain has no such block');
  return BigInt(String(found.timestamp));
}
