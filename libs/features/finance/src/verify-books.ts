import { evidenceIn, type SettlementRail } from '@core/settlement';
import type { Hex } from '@core/x402';
import type { Auditor, Snapshot } from '@platform/database';
import { BOOK_CHECKS } from './book-checks.js';

export interface Finding {
  readonly invariant: string;
  readonly says: string;
  /** How many rows were looked at. */
  readonly counted: number;
  /** A sentence for each break; empty when the invariant holds. */
  readonly faults: readonly string[];
}

/** Hashes asked of the chain at once. */
const PAGE = 100;

interface SettledRow {
  id: string;
  state: string;
  asset: string;
  payer: string;
  pay_to: string;
  nonce: string;
  charged: string;
  transaction: string | null;
}

/**
 * Re-proves the invariants of ledger, claims and nonces on live data, from one consistent snapshot, and compares what is
 * settled and what failed with the chain itself. Changes nothing.
 */
export class VerifyBooks {
  constructor(
    private readonly auditor: Auditor,
    private readonly rails: readonly SettlementRail[],
  ) {}

  async run(): Promise<Finding[]> {
    const { books, ended } = await this.auditor.snapshot(async (snapshot) => ({
      books: await findings(snapshot),
      ended: await Promise.all(
        this.rails.map(async (rail) => ({ rail, rows: await endedPayments(snapshot, rail.chainId) })),
      ),
    }));
    const onChain: Finding[] = [];
    for (const { rail, rows } of ended) {
      onChain.push(
        await settledOnChain(
          rail,
          rows.filter(({ state }) => state === 'settled'),
        ),
      );
      onChain.push(
        await failedOnChain(
          rail,
          rows.filter(({ state }) => state === 'failed'),
        ),
      );
    }
    return [...books, ...onChain];
  }
}

async function findings(snapshot: Snapshot): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const { invariant, says, counted, faults } of BOOK_CHECKS) {
    const [looked] = await snapshot.query<{ n: string }>(counted);
    const broken = await snapshot.query<{ fault: string }>(`${faults} LIMIT 20`);
    found.push({ invariant, says, counted: Number(looked?.n ?? 0), faults: broken.map(({ fault }) => fault) });
  }
  return found;
}

const endedPayments = (snapshot: Snapshot, chainId: number): Promise<SettledRow[]> =>
  snapshot.query<SettledRow>(`SELECT id, state, asset, payer, pay_to, encode(nonce, 'hex') AS nonce, charged::text, encode(transaction, 'hex') AS transaction
    FROM payments WHERE chain_id = ${chainId} AND state IN ('settled', 'failed') ORDER BY id`);

const hex = (text: string): Hex => `0x${text.replace(/^0x/, '')}`;

const keyOf = (row: SettledRow) => ({ token: hex(row.asset), payer: hex(row.payer), nonce: hex(row.nonce) });

/** Each settled payment has its two events in a successful transaction that the chain has now. */
async function settledOnChain(rail: SettlementRail, rows: readonly SettledRow[]): Promise<Finding> {
  const faults: string[] = [];
  const hashes = [...new Set(rows.flatMap(({ transaction }) => (transaction === null ? [] : [hex(transaction)])))];
  for (let from = 0; from < hashes.length; from += PAGE) {
    const page = hashes.slice(from, from + PAGE);
    const receipts = await rail.receipts(page);
    const byHash = new Map(page.map((hash, i) => [hash, receipts[i]]));
    for (const row of rows) {
      const hash = row.transaction === null ? undefined : hex(row.transaction);
      if (hash === undefined || !byHash.has(hash)) continue;
      const receipt = byHash.get(hash);
      const expected = { ...keyOf(row), payTo: hex(row.pay_to), value: BigInt(row.charged) };
      if (!receipt) faults.push(`payment ${row.id} is settled by ${hash}, which the chain does not have`);
      else if (evidenceIn(receipt)(expected).kind !== 'paid')
        faults.push(`payment ${row.id} is settled by ${hash}, which does not pay it`);
    }
  }
  return {
    invariant: 'C6',
    says: `on chain ${rail.chainId}: every settled payment has its transfer`,
    counted: rows.length,
    faults: faults.slice(0, 20),
  };
}

/** No payment shown as failed was in truth paid. */
async function failedOnChain(rail: SettlementRail, rows: readonly SettledRow[]): Promise<Finding> {
  const faults: string[] = [];
  for (const row of rows) {
    const key = keyOf(row);
    const end = await rail.findEnd(key, 0n);
    if (
      end &&
      evidenceIn(end.receipt)({ ...key, payTo: hex(row.pay_to), value: BigInt(row.charged) }).kind === 'paid'
    ) {
      faults.push(`payment ${row.id} is shown as failed, but ${end.receipt.hash} pays it`);
    }
  }
  return {
    invariant: 'C5',
    says: `on chain ${rail.chainId}: nothing shown as failed was paid`,
    counted: rows.length,
    faults: faults.slice(0, 20),
  };
}
