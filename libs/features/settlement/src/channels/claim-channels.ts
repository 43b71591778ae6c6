import type { IdSource } from '@core/ids';
import {
  bisect,
  type ChannelChain,
  type ChannelMove,
  type ChannelOnChain,
  type ClaimRow,
  type CrashPoint,
  firstFees,
  planClaim,
  type SettlementRail,
} from '@core/settlement';
import type { Writer } from '@platform/database';
import type { HandOver } from '../hand-over.js';
import type { SettlementTerms } from '../settlement-terms.js';
import { NO_FUNDS, type SignerLease, type SignersStore } from '../signers.store.js';
import type { TransactionsStore } from '../transactions.store.js';
import type { ClaimTerms } from './claim-terms.js';
import { type ClaimsStore, rowOf, type SettlingChannel } from './claims.store.js';

/** What a run did. */
interface ClaimsSent {
  readonly transactions: number;
  readonly channels: number;
  /** What an operator must know. */
  readonly alarms: readonly string[];
}

type Tally = { transactions: number; channels: number; alarms: string[] };

/** A channel with what is to be done about it now. */
interface Planned {
  readonly channel: SettlingChannel;
  readonly claim: ClaimRow | undefined;
  readonly refund: Extract<ChannelMove, { kind: 'refund' }> | undefined;
}

/** After a refund that would not pass. */
const LATER_MS = 5_000;

class Superseded extends Error {}

/**
 * Claims what was charged on channels and pays it out to the payees, many channels in one transaction, and gives payers back what they ask
 * for. It is signed, stored, sent and watched as settlements are, by the same keys. What it did is never taken from its receipt: the
 * watcher reads the channels. So a run that dies anywhere leaves nothing behind that another one would do wrong.
 */
export class ClaimChannels {
  constructor(
    private readonly db: Writer,
    private readonly store: ClaimsStore,
    private readonly transactions: TransactionsStore,
    private readonly signers: SignersStore,
    private readonly handOver: HandOver,
    private readonly rail: SettlementRail,
    private readonly channels: ChannelChain,
    private readonly ids: IdSource,
    private readonly crash: CrashPoint,
    private readonly terms: SettlementTerms,
    private readonly claimTerms: ClaimTerms,
  ) {}

  async run({ chainId }: { chainId: number }): Promise<ClaimsSent> {
    const tally: Tally = { transactions: 0, channels: 0, alarms: [] };
    if (chainId !== this.channels.chainId) return tally;
    for (;;) {
      const due = await this.store.due(chainId, this.claimTerms, this.channels.mostClaimRows);
      if (due.length === 0) return tally;
      const planned = await this.#plan(due, tally);
      if (planned.length === 0) return tally;
      const lease = await this.signers.lease(chainId, this.rail.signers, this.terms.owner);
      if (!lease) return tally;
      try {
        const sent = await this.#send(lease, planned, tally);
        if (!sent) return tally;
      } finally {
        await this.signers.release(chainId, lease);
      }
    }
  }

  /** What can be done now, by the newest block; everything planned would pass. */
  async #plan(due: readonly SettlingChannel[], tally: Tally): Promise<Planned[]> {
    const { block, channels } = await this.channels.channels(
      due.map(({ channelId }) => channelId),
      'latest',
    );
    await this.store.mirror(this.channels.chainId, block.number, channels);
    const planned = due.flatMap((channel, i) => {
      const onChain = channels[i];
      return onChain ? [planFor(channel, onChain)] : [];
    });
    const refunds = planned.filter(({ refund }) => refund !== undefined);
    const claims = planned.filter(({ refund, claim }) => !refund && claim !== undefined);
    return [...(await this.#passingRefunds(refunds, tally)), ...(await this.#passingClaims(claims, tally))];
  }

  async #passingRefunds(planned: readonly Planned[], tally: Tally): Promise<Planned[]> {
    if (planned.length === 0) return [];
    const simulation = await this.channels.simulate(planned.flatMap(({ refund }) => refund ?? []));
    const passing = planned.filter((_, i) => simulation.kind === 'verdicts' && simulation.verdicts[i]?.passes === true);
    const others = planned.filter((each) => !passing.includes(each));
    if (others.length > 0) {
      await this.store.postponeRefunds(
        others.map(({ channel }) => channel.id),
        LATER_MS,
      );
      tally.alarms.push(`${others.length} refunds would not pass and wait`);
    }
    return passing;
  }

  /** A bad row spoils its claim as a whole: of one that is turned down, halves are tried. */
  async #passingClaims(planned: readonly Planned[], tally: Tally): Promise<Planned[]> {
    if (planned.length === 0) return [];
    const simulation = await this.channels.simulate([
      { kind: 'claim', rows: planned.flatMap(({ claim }) => claim ?? []) },
    ]);
    if (simulation.kind === 'verdicts' && simulation.verdicts[0]?.passes === true) return [...planned];
    if (planned.length === 1) {
      tally.alarms.push(`the claim of channel ${planned[0]?.channel.id} would not pass`);
      return [];
    }
    const [first, second] = bisect(planned);
    return [...(await this.#passingClaims(first, tally)), ...(await this.#passingClaims(second, tally))];
  }

  async #send(lease: SignerLease, planned: readonly Planned[], tally: Tally): Promise<boolean> {
    const { chainId } = this.rail;
    const [market, balance] = await Promise.all([this.rail.market(), this.rail.balance(lease.signer)]);
    const fees = firstFees(market, this.terms.feeCap);
    if (!fees) {
      tally.alarms.push('gas costs more than the cap: claims wait');
      return false;
    }
    if (balance < this.channels.gasLimit(movesOf(planned)) * fees.maxFeePerGas) {
      await this.signers.pause(this.db, chainId, lease.signer, NO_FUNDS);
      tally.alarms.push(`relayer key ${lease.signer} cannot pay for gas and is paused until it can`);
      return false;
    }
    this.crash.reach('settlement.before-sign');
    const batch = this.ids.next('batch');
    const stored = await this.#store(lease, batch, planned, fees);
    if (!stored) return false;
    this.crash.reach('settlement.bytes-stored');
    const alarm = await this.handOver.run({ batch, lease, ...stored });
    if (alarm) tally.alarms.push(alarm);
    tally.transactions += 1;
    tally.channels += planned.length;
    return true;
  }

  /** Nonce, bytes, hash and the channels they are for, in one transaction; undefined when another worker was faster. */
  async #store(
    lease: SignerLease,
    batch: string,
    planned: readonly Planned[],
    fees: NonNullable<ReturnType<typeof firstFees>>,
  ) {
    const { chainId } = this.rail;
    const providers: Record<string, number> = {};
    for (const { channel } of planned) providers[channel.provider] = (providers[channel.provider] ?? 0) + 1;
    try {
      return await this.db.transaction(async (tx) => {
        const ids = planned.map(({ channel }) => channel.id);
        const taken = await this.store.take(tx, batch, ids);
        if (taken.size !== ids.length) throw new Superseded();
        const nonce = await this.signers.takeNonce(tx, chainId, lease);
        if (nonce === undefined) throw new Superseded();
        const signed = await this.channels.sign({ signer: lease.signer, nonce, moves: movesOf(planned), fees });
        const id = this.ids.next('txn');
        await this.transactions.insert(tx, { id, chainId, lease, nonce, batch, providers, signed });
        return { id, nonce, signed };
      });
    } catch (error) {
      if (!(error instanceof Superseded)) throw error;
      return undefined;
    }
  }
}

function planFor(channel: SettlingChannel, onChain: ChannelOnChain): Planned {
  const { claim: total } = planClaim(channel.charged, onChain);
  const claim = total === undefined ? undefined : rowOf(channel, total);
  const refund =
    channel.refund?.due && onChain.refundNonce === channel.refund.nonce
      ? ({
          kind: 'refund',
          config: channel.config,
          amount: channel.refund.amount,
          nonce: channel.refund.nonce,
          claim,
        } as const)
      : undefined;
  return { channel, claim, refund };
}

/** One claim for all, the refunds, and then for each payee and token one payment of what was claimed. */
function movesOf(planned: readonly Planned[]): ChannelMove[] {
  const rows = planned.flatMap(({ refund, claim }) => (refund || !claim ? [] : [claim]));
  const refunds = planned.flatMap(({ refund }) => refund ?? []);
  const payees = new Map(
    planned
      .filter(({ claim }) => claim !== undefined)
      .map(({ channel: { config } }) => [`${config.receiver} ${config.token}`, config] as const),
  );
  return [
    ...(rows.length > 0 ? [{ kind: 'claim', rows } as const] : []),
    ...refunds,
    ...[...payees.values()].map(({ receiver, token }) => ({ kind: 'settle', receiver, token }) as const),
  ];
}
