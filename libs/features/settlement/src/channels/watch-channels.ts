import { type Entry, loseClaim, recoverClaim, settleClaim } from '@core/ledger';
import { type ChannelChain, type ChannelOnChain, planClaim, type SettlementRail } from '@core/settlement';
import type { Hex } from '@core/x402';
import type { Ledger } from '@features/ledger';
import type { Writer } from '@platform/database';
import { amountOf, type ClaimsStore, type SettlingChannel } from './claims.store.js';

/** What a run saw. */
interface ChannelsSeen {
  /** Channels whose mirror was written. */
  readonly read: number;
  /** Channels whose claims became final in the ledger. */
  readonly settled: number;
  /** What an operator must know. */
  readonly alarms: readonly string[];
}

const PAGE = 100;

/**
 * Keeps the mirror of the channels, and the ledger of what was claimed. What happened is read from the contract's events, up to the head;
 * what it came to is read from the channels themselves. When blocks went away, every channel written since the last final block is read
 * again. The ledger follows final blocks only.
 */
export class WatchChannels {
  constructor(
    private readonly db: Writer,
    private readonly store: ClaimsStore,
    private readonly rail: SettlementRail,
    private readonly channels: ChannelChain,
    private readonly ledger: Ledger,
  ) {}

  async run({ chainId }: { chainId: number }): Promise<ChannelsSeen> {
    if (chainId !== this.channels.chainId) return { read: 0, settled: 0, alarms: [] };
    const read = await this.#scan(chainId);
    const { settled, alarms } = await this.#settle(chainId);
    return { read, settled, alarms };
  }

  async #scan(chainId: number): Promise<number> {
    const { block: cursor, now } = await this.store.cursor(chainId);
    const { head, finalized } = await this.channels.view();
    const stands = cursor && (await this.#stands(cursor, head));
    // Without a place to go on from, everything that is not final is read again.
    const from = cursor && stands ? cursor.number + 1n : finalized.number + 1n;
    const events = from <= head.number ? await this.channels.events(from, head.number) : [];
    const touched = new Set<Hex>(
      await this.store.doubtful(chainId, stands ? undefined : cursor ? finalized.number : -1n),
    );
    for (const event of events) if ('channelId' in event) touched.add(event.channelId);
    const known = await this.store.known(chainId, [...touched]);
    for (let i = 0; i < known.length; i += PAGE) {
      const { block, channels } = await this.channels.channels(
        known.slice(i, i + PAGE).map(({ channelId }) => channelId),
        'latest',
      );
      await this.store.mirror(chainId, block.number, channels);
    }
    await this.store.refunded(chainId);
    await this.store.moveCursor(chainId, head, now);
    return known.length;
  }

  /** Whether the block that was read last is still part of the chain. */
  async #stands(
    cursor: { readonly number: bigint; readonly hash: Hex },
    head: { readonly number: bigint },
  ): Promise<boolean> {
    if (cursor.number > head.number) return false;
    const hashes = await this.rail.blockHashes([cursor.number]);
    return hashes.get(cursor.number) === cursor.hash;
  }

  async #settle(chainId: number): Promise<{ settled: number; alarms: string[] }> {
    const behind = await this.store.unsettled(chainId, PAGE);
    if (behind.length === 0) return { settled: 0, alarms: [] };
    const { channels } = await this.channels.channels(
      behind.map(({ channelId }) => channelId),
      'finalized',
    );
    const alarms: string[] = [];
    let settled = 0;
    for (const [i, channel] of behind.entries()) {
      const onChain = channels[i];
      if (!onChain) continue;
      const { posted, lost } = await this.#post(channel, onChain);
      settled += posted;
      if (lost > 0n) alarms.push(`channel ${channel.id} was emptied before ${lost} could be claimed`);
    }
    return { settled, alarms };
  }

  /** Brings the ledger of one channel to what a final block says of it. */
  async #post(channel: SettlingChannel, final: ChannelOnChain): Promise<{ posted: number; lost: bigint }> {
    return this.db.transaction(async (tx) => {
      const standing = await this.store.standing(tx, channel.id);
      if (!standing) return { posted: 0, lost: 0n };
      const { charged } = standing;
      // A record restored from a backup may know of less than was claimed: what it does not know it cannot book.
      const claimed = final.totalClaimed < charged ? final.totalClaimed : charged;
      const rise = claimed > standing.claimedFinal ? claimed - standing.claimedFinal : 0n;
      const open = charged - standing.claimedFinal - standing.lost;
      const recovered = rise > open ? rise - open : 0n;
      const claimedFinal = standing.claimedFinal + rise;
      const short = standing.awaitsDeposit ? 0n : planClaim(charged, final).short;
      const kept = standing.lost - recovered;
      const lost = short > kept ? short - kept : 0n;
      const base = { provider: channel.provider, channel: channel.id };
      const paid = { ...base, total: claimedFinal, payTo: channel.config.receiver };
      const entries: Entry[] = [];
      if (rise > recovered) entries.push(settleClaim({ ...paid, amount: amountOf(channel, rise - recovered) }));
      if (recovered > 0n) entries.push(recoverClaim({ ...paid, amount: amountOf(channel, recovered) }));
      if (lost > 0n) {
        // Claimed and lost together only ever rise, so that each loss has a name of its own.
        const total = claimedFinal + kept + lost;
        entries.push(loseClaim({ ...base, total, account: channel.account, amount: amountOf(channel, lost) }));
      }
      if (entries.length === 0) return { posted: 0, lost: 0n };
      await this.store.settled(tx, channel.id, claimedFinal, kept + lost);
      await this.ledger.post(tx, ...entries);
      return { posted: 1, lost };
    });
  }
}
