import { Fault } from '@core/faults';
import type { OpenCall } from '@core/payments';
import type { Hex } from '@core/x402';
import { KnownPlaces } from '@features/ledger';
import { big, type Writer } from '@platform/database';
import { CHANNEL_COLUMNS, type ChannelColumns, channelOf, type ChannelRow } from './channel-row.js';
import {
  type BatchLook,
  decideReservations,
  type Looked,
  type ReserveItem,
  type ReserveOutcome,
} from './decide-reservations.js';
import {
  captureColumns,
  type CaptureVoucherItem,
  type CapturedVoucher,
  type CapturedColumns,
  capturedOf,
  reservationColumns,
} from './voucher-changes.js';
import { VOUCHER_COLUMNS, VOUCHER_TABLES, type VoucherColumns, voucherOf, type VoucherRow } from './voucher-row.js';

const bare = (hex: Hex): string => hex.slice(2);

/** How often a batch is decided anew because others were faster on a channel. */
const MOST_TURNS = 50;

/** An item with its channel, and what the channel sold by this ceiling and, lately, above it. */
interface LookedRow extends ChannelColumns {
  ord: number;
  taken_by: string | null;
  taken_binding: string | null;
  charged_above: string | null;
  /** On the first item of each channel: its open calls. */
  ceilings: string[] | null;
  amounts: string[] | null;
}

/** All SQL of vouchers, as the role that batches across providers: every row it writes names its provider. */
export class VoucherStore {
  readonly #places = new KnownPlaces();

  constructor(private readonly writer: Writer) {}

  /**
   * Decides and writes reservations, one answer per item, in order. They are decided on a look without locks and written on condition
   * that no other process reserved on the same channel meanwhile; where one did, those items are decided again.
   */
  async reserve(items: readonly ReserveItem[]): Promise<ReserveOutcome[]> {
    const outcomes = new Array<ReserveOutcome>(items.length).fill({ outcome: 'unknown' });
    let left = items.map((_, i) => i);
    for (let turn = 0; left.length > 0; turn += 1) {
      const asked = left.flatMap((i) => items[i] ?? []);
      const decided = decideReservations(asked, await this.#look(asked));
      const fresh = decided.flatMap((each, k) => {
        const item = asked[k];
        return each.outcome === 'reserved' && item ? [{ item, channel: each.channel }] : [];
      });
      const written = await this.#write(fresh);
      const again: number[] = [];
      for (const [k, i] of left.entries()) {
        const [each, item] = [decided[k], asked[k]];
        if (each?.outcome === 'reserved' && item && !written.has(item.id)) again.push(i);
        else if (each) outcomes[i] = each;
      }
      if (again.length > 0 && turn >= MOST_TURNS) {
        throw new Fault('unavailable', 'The channel is too busy; try again shortly.', { retryAfterSeconds: 1 });
      }
      left = again;
    }
    return outcomes;
  }

  async #look(items: readonly ReserveItem[]): Promise<BatchLook> {
    const rows = await this.writer.query<LookedRow>(
      `SELECT p.ord, p.taken_by, p.taken_binding, p.charged_above, p.open_ceilings AS ceilings, p.open_amounts AS amounts, ${CHANNEL_COLUMNS}
       FROM look_at_vouchers($1, $2, $3) p JOIN channels c ON c.id = p.channel`,
      [
        items.map(({ chainId }) => chainId),
        items.map(({ voucher }) => bare(voucher.channelId)),
        items.map(({ voucher }) => voucher.maxClaimable),
      ],
    );
    const known = new Map<number, Looked>();
    const open = new Map<string, readonly OpenCall[]>();
    for (const row of rows) {
      known.set(row.ord, {
        channel: channelOf(row),
        taken:
          row.taken_by === null || row.taken_binding === null
            ? undefined
            : { voucher: row.taken_by, binding: row.taken_binding },
        chargedAbove: big(row.charged_above ?? '0'),
      });
      if (row.ceilings) {
        const { amounts } = row;
        open.set(
          row.id,
          row.ceilings.map((ceiling, i) => ({ ceiling: big(ceiling), amount: big(amounts?.[i] ?? '0') })),
        );
      }
    }
    return { known, open };
  }

  /** Answers the ids that were written. */
  async #write(
    fresh: readonly { readonly item: ReserveItem; readonly channel: ChannelRow }[],
  ): Promise<ReadonlySet<string>> {
    if (fresh.length === 0) return new Set();
    const rows = await this.writer.query<{ voucher_id: string }>('SELECT voucher_id FROM reserve_vouchers($1::text)', [
      reservationColumns(fresh),
    ]);
    return new Set(rows.map(({ voucher_id }) => voucher_id));
  }

  /** Captures what is still reserved; answers what it captured. */
  async capture(items: readonly CaptureVoucherItem[]): Promise<Map<string, CapturedVoucher>> {
    for (let open = items; open.length > 0;) {
      const { places, transfers, opened } = this.#places.newTransfers(open.map(({ entry }) => entry));
      const rows = await this.writer.query<CapturedColumns>(
        'SELECT * FROM capture_vouchers($1::text, $2::text, $3::text)',
        [captureColumns(open), places, transfers],
      );
      const written = rows.filter((row) => row.written);
      if (written.length > 0) {
        this.#places.learn(opened);
        return new Map(written.map((row) => [row.voucher_id, capturedOf(row)]));
      }
      // Some were captured, voided or expired meanwhile: the others without them.
      const left = new Set(rows.map(({ voucher_id }) => voucher_id));
      open = open.filter(({ id }) => left.has(id));
    }
    return new Map();
  }

  async findMany(ids: readonly string[]): Promise<Map<string, VoucherRow>> {
    if (ids.length === 0) return new Map();
    const rows = await this.writer.query<VoucherColumns>(
      `SELECT ${VOUCHER_COLUMNS} FROM ${VOUCHER_TABLES} WHERE v.id = ANY ($1::text[])`,
      [ids],
    );
    return new Map(rows.map((row) => [row.id, voucherOf(row)]));
  }

  /** The call that this voucher was presented for before, with the same request, and that was not let go. */
  async findBinding({ chainId, voucher, binding }: ReserveItem): Promise<VoucherRow | undefined> {
    const [row] = await this.writer.query<VoucherColumns>(
      `SELECT ${VOUCHER_COLUMNS} FROM ${VOUCHER_TABLES}
       WHERE c.chain_id = $1 AND c.channel_id = decode($2, 'hex') AND v.ceiling = $3 AND v.binding = decode($4, 'hex')
         AND ((v.state = 'reserved' AND v.expires_at > now()) OR (v.state = 'served' AND v.charged > 0))`,
      [chainId, bare(voucher.channelId), voucher.maxClaimable, binding],
    );
    return row && voucherOf(row);
  }

  async find(id: string): Promise<VoucherRow | undefined> {
    return (await this.findMany([id])).get(id);
  }

  /**
   * Gives an open call so many seconds from now, unless the payer is leaving the channel. Answers the seconds it has; undefined when it is
   * over, or goes on only as long as it did.
   */
  async prolong(id: string, seconds: number): Promise<number | undefined> {
    const [row] = await this.writer.query<{ seconds: number }>(
      `WITH locked AS (
         SELECT v.id FROM vouchers v JOIN channels c ON c.id = v.channel
         WHERE v.id = $1 AND c.withdraw_requested_at IS NULL AND c.refund IS NULL FOR UPDATE OF c
       )
       UPDATE vouchers v SET expires_at = greatest(v.expires_at, now() + make_interval(secs => $2))
       FROM locked WHERE v.id = locked.id AND v.state = 'reserved' AND v.expires_at > now()
       RETURNING floor(extract(epoch FROM v.expires_at - now()))::integer AS seconds`,
      [id, seconds],
    );
    return row?.seconds;
  }

  /** Lets a reservation go. Its channel is locked first, as in every write of a voucher. */
  async void(provider: string, id: string, reason: string): Promise<void> {
    await this.writer.query(
      `WITH locked AS (
         SELECT v.id FROM vouchers v JOIN channels c ON c.id = v.channel WHERE v.id = $1 AND v.provider_id = $2 FOR UPDATE OF c
       )
       UPDATE vouchers v SET state = 'voided', voided_at = now(), void_reason = $3 FROM locked WHERE v.id = locked.id AND v.state = 'reserved'`,
      [id, provider, reason],
    );
  }

  /** The handler's answer that was kept; undefined when it was too large to keep. */
  async reply(id: string): Promise<{ status: number; headers: Record<string, string>; body: string } | undefined> {
    const [row] = await this.writer.query<{ status: number; headers: Record<string, string>; body: Buffer }>(
      'SELECT status, headers, body FROM voucher_replies WHERE voucher_id = $1',
      [id],
    );
    return row && { status: row.status, headers: row.headers, body: row.body.toString('base64') };
  }
}
