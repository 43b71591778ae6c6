import { evidenceIn, searchSince, type SettlementRail } from '@core/settlement';
import type { Hex } from '@core/x402';
import type { Auditor, Snapshot } from '@platform/database';
import { BOOK_CHECKS } from './book-checks.js';

interface Finding {
  readonly invariant: string;
  readonly says: string;
  /** How many rows were looked at. */
  readonly counted: number;
  /** A sentence for each break; empty when the invariant holds. */
  readonly faults: readonly string[];
}

/** Hashes asked of the chain at once. */
const PAGE = 100;

interface EndedRow {
  id: string;
  state: string;
  asset: string;
  payer: string;
  pay_to: string;
  nonce: string;
  charged: string;
  facilitator: string | null;
  permit2_nonce: string | null;
  transaction: string | null;
  reserved_at: string;
  attempts: number;
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

const endedPayments = (snapshot: Snapshot, chainId: number): Promise<EndedRow[]> =>
  snapshot.query<EndedRow>(`SELECT id, state, asset, payer, pay_to, encode(nonce, 'hex') AS nonce, charged::text, facilitator, permit2_nonce::text,
      encode(transaction, 'hex') AS transaction,
      extract(epoch FROM reserved_at)::bigint::text AS reserved_at, attempts
    FROM payments WHERE chain_id = ${chainId} AND state IN ('settled', 'failed') ORDER BY id`);

const hex = (text: string): Hex => `0x${text.replace(/^0x/, '')}`;

const expectedOf = (row: EndedRow) => ({
  token: hex(row.asset),
  payer: hex(row.payer),
  nonce: hex(row.nonce),
  payTo: hex(row.pay_to),
  value: BigInt(row.charged),
  ...(row.facilitator === null || row.permit2_nonce === null
    ? {}
    : { ceiling: { facilitator: hex(row.facilitator), nonce: BigInt(row.permit2_nonce) } }),
});

/** Each settled payment has its two events in a successful transaction that the chain has now. */
async function settledOnChain(rail: SettlementRail, rows: readonly EndedRow[]): Promise<Finding> {
  const faults: string[] = [];
  const byHash = new Map<Hex, EndedRow[]>();
  for (const row of rows) {
    if (row.transaction === null) continue; // Found by the check of the books.
    const hash = hex(row.transaction);
    const carried = byHash.get(hash);
    if (carried) carried.push(row);
    else byHash.set(hash, [row]);
  }
  const hashes = [...byHash.keys()];
  for (let from = 0; from < hashes.length; from += PAGE) {
    const page = hashes.slice(from, from + PAGE);
    const receipts = await rail.receipts(page);
    page.forEach((hash, i) => {
      const receipt = receipts[i];
      const evidence = receipt && evidenceIn(receipt);
      for (const row of byHash.get(hash) ?? []) {
        if (!evidence) faults.push(`payment ${row.id} is settled by ${hash}, which the chain does not have`);
        else if (evidence(expectedOf(row)).kind !== 'paid')
          faults.push(`payment ${row.id} is settled by ${hash}, which does not pay it`);
      }
    });
  }
  return {
    invariant: 'C6',
    says: `on chain ${rail.chainId}: every settled payment has its transfer`,
    counted: rows.length,
    faults: faults.slice(0, 20),
  };
}

/** No payment shown as failed was in truth paid. Only what was used up at all is searched for. */
async function failedOnChain(rail: SettlementRail, rows: readonly EndedRow[]): Promise<Finding> {
  const faults: string[] = [];
  const head = (await rail.view()).head.number;
  for (let from = 0; from < rows.length; from += PAGE) {
    const page = rows.slice(from, from + PAGE);
    const used = await rail.usedAt(page.map(expectedOf), head);
    for (const row of page.filter((_, i) => used[i] === true)) {
      const expected = expectedOf(row);
      const end = await rail.findEnd(expected, searchSince(BigInt(row.reserved_at), row.attempts));
      if (end && evidenceIn(end.receipt)(expected).kind === 'paid') {
        faults.push(`payment ${row.id} is shown as failed, but ${end.receipt.hash} pays it`);
      }
    }
  }
  return {
    invariant: 'C5',
    says: `on chain ${rail.chainId}: nothing shown as failed was paid`,
    counted: rows.length,
    faults: faults.slice(0, 20),
  };
}
