import type { PaymentState, ReleaseLevel } from '@core/payments';
import type { ExactAuthorization, Hex } from '@core/x402';
import { big, GroupCommit, type Writer } from '@platform/database';
import type { Identified } from '../gate/identified.js';

/** What a payment is for: a call, another seller's call, a channel, balance, or what an agent gets back. */
export type PaymentOrigin = 'gate' | 'facilitator' | 'deposit' | 'topup' | 'refund';

/** A payment as the paid path sees it. */
export interface PaymentRow {
  readonly id: string;
  readonly provider: string;
  readonly account: string;
  readonly origin: PaymentOrigin;
  readonly state: PaymentState;
  readonly network: string;
  readonly asset: string;
  readonly assetId: string;
  readonly payer: string;
  readonly payTo: string;
  /** URL that was paid for, without its query. */
  readonly resource: string;
  readonly amount: bigint;
  readonly charged: bigint | undefined;
  readonly meter: string | undefined;
  readonly quantity: string | undefined;
  readonly priceId: string | undefined;
  readonly release: ReleaseLevel;
  readonly knownPayer: boolean;
  /** Lower-case hex. */
  readonly binding: string;
  readonly attempt: string | undefined;
  readonly submitted: boolean;
  readonly transaction: Hex | undefined;
}

/** One claim to make; the database function `claim_payments` decides. */
export interface ClaimItem {
  readonly id: string;
  readonly provider: string;
  readonly newAccount: string;
  readonly origin: PaymentOrigin;
  readonly network: string;
  readonly chainId: number;
  readonly asset: string;
  readonly assetId: string;
  readonly authorization: ExactAuthorization;
  readonly binding: string;
  readonly resource: string;
  readonly attempt: string | undefined;
  readonly meterId: string | undefined;
  readonly quantity: string | undefined;
  readonly priceId: string | undefined;
  readonly release: ReleaseLevel;
  readonly ttlSeconds: number;
  /** The name its payer gave the payment, taken with the claim. */
  readonly identified: Identified | undefined;
  /** The payer's balance at the head, atomic units. */
  readonly balance: bigint;
}

export type ClaimOutcome =
  | { readonly outcome: 'claimed'; readonly id: string; readonly account: string; readonly knownPayer: boolean }
  | { readonly outcome: 'exists'; readonly id: string }
  /** Its identifier names another payment already. Nothing of this one was used. */
  | { readonly outcome: 'identified'; readonly id: string }
  /** Its identifier was free again when the batch ended. */
  | { readonly outcome: 'again' }
  | { readonly outcome: 'payer_cap' | 'provider_cap' | 'global_cap' | 'funds' };

export interface CaptureItem {
  readonly id: string;
  readonly provider: string;
  readonly charged: bigint;
  readonly quantity: string;
  readonly reply:
    { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string } | undefined;
  readonly transfers: readonly unknown[];
}

interface Row {
  id: string;
  provider_id: string;
  account_id: string;
  origin: PaymentOrigin;
  state: PaymentState;
  network: string;
  asset: string;
  asset_id: string;
  payer: string;
  pay_to: string;
  resource: string;
  amount: string;
  charged: string | null;
  meter: string | null;
  quantity: string | null;
  price_id: string | null;
  release: ReleaseLevel;
  known_payer: boolean;
  binding: string;
  attempt: string | null;
  submitted: boolean;
  transaction: string | null;
}

const COLUMNS = `p.id, p.provider_id, p.account_id, p.origin, p.state, p.network, p.asset, p.asset_id, p.payer, p.pay_to, p.resource, p.amount::text,
  p.charged::text, m.name AS meter, p.quantity::text, p.price_id, p.release, p.known_payer, encode(p.binding, 'hex') AS binding, p.attempt,
  p.submitted_at IS NOT NULL AS submitted, encode(p.transaction, 'hex') AS transaction`;
const FROM = 'FROM payments p LEFT JOIN meters m ON m.id = p.meter_id';

const paymentOf = (row: Row): PaymentRow => ({
  id: row.id,
  provider: row.provider_id,
  account: row.account_id,
  origin: row.origin,
  state: row.state,
  network: row.network,
  asset: row.asset,
  assetId: row.asset_id,
  payer: row.payer,
  payTo: row.pay_to,
  resource: row.resource,
  amount: big(row.amount),
  charged: row.charged === null ? undefined : big(row.charged),
  meter: row.meter ?? undefined,
  quantity: row.quantity ?? undefined,
  priceId: row.price_id ?? undefined,
  release: row.release,
  knownPayer: row.known_payer,
  binding: row.binding,
  attempt: row.attempt ?? undefined,
  submitted: row.submitted,
  transaction: row.transaction === null ? undefined : `0x${row.transaction}`,
});

/** What a claim is unique by. Lower case. */
export interface AuthorizationKey {
  readonly network: string;
  readonly asset: string;
  readonly payer: string;
  readonly nonce: string;
}

/** Most claims looked up together. */
const MOST_LOOKED_UP = 256;

const bare = (hex: string): string => hex.slice(2);

/** All SQL of payments, as the role that batches across providers: every row it writes names its provider. */
export class PaymentStore {
  readonly #claims: GroupCommit<AuthorizationKey, PaymentRow | null>;

  constructor(
    private readonly writer: Writer,
    private readonly globalCap: bigint | undefined,
  ) {
    this.#claims = new GroupCommit((keys) => this.#findClaims(keys), MOST_LOOKED_UP);
  }

  /** Decides and writes claims, one answer per item, in order. */
  async claim(items: readonly ClaimItem[]): Promise<ClaimOutcome[]> {
    // Only a batch with an identifier in it pays for identifiers.
    const claim = items.some(({ identified }) => identified) ? 'claim_identified_payments' : 'claim_payments';
    const rows = await this.writer.query<{
      ord: number;
      outcome: string;
      payment_id: string | null;
      account_id: string | null;
      known_payer: boolean | null;
    }>(`SELECT ord, outcome, payment_id, account_id, known_payer FROM ${claim}($1::jsonb, $2::numeric)`, [
      JSON.stringify(
        items.map(({ authorization, ...item }, ord) => ({
          ord,
          id: item.id,
          provider: item.provider,
          newAccount: item.newAccount,
          origin: item.origin,
          network: item.network,
          chainId: item.chainId,
          asset: item.asset,
          assetId: item.assetId,
          payer: authorization.from,
          payTo: authorization.to,
          nonce: bare(authorization.nonce),
          amount: authorization.value.toString(),
          validAfter: authorization.validAfter.toString(),
          validBefore: authorization.validBefore.toString(),
          signature: bare(authorization.signature),
          binding: item.binding,
          resource: item.resource,
          attempt: item.attempt,
          meter: item.meterId,
          quantity: item.quantity,
          price: item.priceId,
          release: item.release,
          ttlSeconds: item.ttlSeconds,
          balance: item.balance.toString(),
          subject: authorization.from,
          identifier: item.identified?.identifier,
          fingerprint: item.identified?.fingerprint,
        })),
      ),
      this.globalCap?.toString() ?? null,
    ]);
    const byOrder = new Map(rows.map((row) => [row.ord, row]));
    return items.map((_, ord) => {
      const row = byOrder.get(ord);
      switch (row?.outcome) {
        case 'claimed':
          return {
            outcome: 'claimed',
            id: row.payment_id ?? '',
            account: row.account_id ?? '',
            knownPayer: row.known_payer === true,
          };
        case 'exists':
        case 'identified':
          return { outcome: row.outcome, id: row.payment_id ?? '' };
        case 'again':
        case 'payer_cap':
        case 'provider_cap':
        case 'global_cap':
        case 'funds':
          return { outcome: row.outcome };
        case undefined:
        default:
          throw new Error(`claim_payments gave no answer to item ${ord}`);
      }
    });
  }

  /** The claim of an authorization, if there is one. Look-ups of the same moment share a query. */
  findClaim(key: AuthorizationKey): Promise<PaymentRow | null> {
    return this.#claims.add(key);
  }

  async #findClaims(keys: readonly AuthorizationKey[]): Promise<(PaymentRow | null)[]> {
    const rows = await this.writer.query<Row & { ord: number }>(
      `SELECT k.ord::integer, ${COLUMNS}
      FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS k (network, asset, payer, nonce, ord)
        JOIN payments p ON p.network = k.network AND p.asset = k.asset AND p.payer = k.payer AND p.nonce = decode(k.nonce, 'hex')
        LEFT JOIN meters m ON m.id = p.meter_id`,
      [
        keys.map(({ network }) => network),
        keys.map(({ asset }) => asset),
        keys.map(({ payer }) => payer),
        keys.map(({ nonce }) => bare(nonce)),
      ],
    );
    const found = new Map(rows.map((row) => [row.ord, paymentOf(row)]));
    return keys.map((_, i) => found.get(i + 1) ?? null);
  }

  async findMany(ids: readonly string[]): Promise<Map<string, PaymentRow>> {
    if (ids.length === 0) return new Map();
    const rows = await this.writer.query<Row>(`SELECT ${COLUMNS} ${FROM} WHERE p.id = ANY ($1::text[])`, [ids]);
    return new Map(rows.map((row) => [row.id, paymentOf(row)]));
  }

  async find(id: string): Promise<PaymentRow | undefined> {
    return (await this.findMany([id])).get(id);
  }

  /** Captures what is still reserved; answers the ids it captured. */
  async capture(items: readonly CaptureItem[]): Promise<Set<string>> {
    if (items.length === 0) return new Set();
    const rows = await this.writer.query<{ payment_id: string }>('SELECT payment_id FROM capture_payments($1::jsonb)', [
      JSON.stringify(
        items.map((item) => ({
          id: item.id,
          provider: item.provider,
          charged: item.charged.toString(),
          quantity: item.quantity,
          replyStatus: item.reply?.status ?? null,
          replyHeaders: item.reply?.headers ?? null,
          replyBody: item.reply?.body ?? null,
          transfers: item.transfers,
        })),
      ),
    ]);
    return new Set(rows.map((row) => row.payment_id));
  }

  /**
   * Gives a reserved payment more time to be served, up to `settleSeconds` before its authorization ends.
   * @returns how many seconds it has from now; undefined when it is not reserved any more
   */
  async prolong(id: string, seconds: number, settleSeconds: number): Promise<number | undefined> {
    const [row] = await this.writer.query<{ seconds: number }>(
      `UPDATE payments SET expires_at = greatest(expires_at,
         least(now() + make_interval(secs => $2), to_timestamp(least(valid_before, 253402300799)::float8) - make_interval(secs => $3)))
       WHERE id = $1 AND state = 'reserved' AND expires_at > now()
       RETURNING floor(extract(epoch FROM expires_at - now()))::integer AS seconds`,
      [id, seconds, settleSeconds],
    );
    return row?.seconds;
  }

  /** Lets reserved payments go; the others stay as they are. */
  async void(provider: string, id: string, reason: string): Promise<void> {
    await this.writer.query(
      "UPDATE payments SET state = 'voided', voided_at = now(), void_reason = $3 WHERE id = $1 AND provider_id = $2 AND state = 'reserved'",
      [id, provider, reason],
    );
  }

  /** The handler's answer that was kept; undefined when it was too large to keep, or never came through the gate. */
  async reply(id: string): Promise<{ status: number; headers: Record<string, string>; body: string } | undefined> {
    const [row] = await this.writer.query<{ status: number; headers: Record<string, string>; body: Buffer }>(
      'SELECT status, headers, body FROM payment_replies WHERE payment_id = $1',
      [id],
    );
    return row && { status: row.status, headers: row.headers, body: row.body.toString('base64') };
  }

  /** Addresses whose keys settle on a chain. */
  async relayers(chainId: number): Promise<string[]> {
    const rows = await this.writer.query<{ address: string }>(
      'SELECT address FROM chain_signers WHERE chain_id = $1 ORDER BY address',
      [chainId],
    );
    return rows.map((row) => row.address);
  }
}
