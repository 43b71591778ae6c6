import type { ReleaseLevel } from '@core/payments';
import type { ExactAuthorization } from '@core/x402';
import { GroupCommit, type Writer } from '@platform/database';
import type { Identified } from '../gate/identified.js';
import { COLUMNS, FROM, paymentOf, type PaymentOrigin, type PaymentRow, type Row, UNUSED } from './payment-row.js';

export type { PaymentOrigin, PaymentRow, SaleOrigin } from './payment-row.js';

/** What a claim keeps of a signed ceiling beside the terms of its transfer. */
export interface ClaimedCeiling {
  /** The relayer key that the payer named, lower case. */
  readonly facilitator: string;
  /** The payer's nonce at Permit2. */
  readonly nonce: bigint;
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
  /** The payer's balance at the head, atomic units; with a ceiling, what Permit2 may move of it. */
  readonly balance: bigint;
  readonly ceiling?: ClaimedCeiling | undefined;
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
    // Only a batch with an identifier in it pays for identifiers, and only one with a ceiling for what is particular to those.
    const claim = items.some(({ ceiling }) => ceiling)
      ? 'claim_ceilings'
      : items.some(({ identified }) => identified)
        ? 'claim_identified_payments'
        : 'claim_payments';
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
          facilitator: item.ceiling?.facilitator,
          permit2Nonce: item.ceiling?.nonce.toString(),
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

  /** Lets go of reserved ceilings of which nothing was used; answers the ids it let go. */
  async voidUnused(items: readonly { readonly id: string; readonly provider: string }[]): Promise<Set<string>> {
    if (items.length === 0) return new Set();
    const rows = await this.writer.query<{ id: string }>(
      `UPDATE payments p SET state = 'voided', voided_at = now(), void_reason = '${UNUSED}'
       FROM unnest($1::text[], $2::text[]) AS i (id, provider)
       WHERE p.id = i.id AND p.provider_id = i.provider AND p.state = 'reserved' AND p.expires_at > now() AND p.facilitator IS NOT NULL
       RETURNING p.id`,
      [items.map(({ id }) => id), items.map(({ provider }) => provider)],
    );
    return new Set(rows.map(({ id }) => id));
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
