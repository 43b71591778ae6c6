import type { AgentProof } from '@core/agents';
import { Fault } from '@core/faults';
import { ID_PREFIXES, type IdSource } from '@core/ids';
import type { PayableAssets, QuotedRequest } from '@core/payments';
import type { Clock } from '@core/time';
import type { AuthenticateAgent, ProvenRequest } from '@features/accounts';
import { requestDigest } from '../gate/quote-sealer.js';
import type { ClaimedPayment, Sale, ShownHeaders, Sold } from '../sales/sale.js';
import { topUpUrl, viewOfTopUp } from './top-up.js';
import type { TopUpsStore } from './topups.store.js';

/** A request to buy balance, as it came. */
export interface BalanceToBuy extends ShownHeaders {
  readonly provider: string;
  /** Atomic units of the token that is paid with. */
  readonly amount: bigint;
  /** Lower-case hex SHA-256 of the request's body, as sent. */
  readonly bodyDigest: string;
  /** Whose balance; absent: that of the wallet that pays. */
  readonly account: string | undefined;
  /** By what it shows that it is that account. */
  readonly proof: AgentProof;
  readonly proven: ProvenRequest;
}

/** The name under which balance is quoted. No meter can have it: it has a space. */
const SOLD_AS = 'prepaid balance';

/** Sells prepaid balance: it costs what it is worth. */
export class BalanceSale implements Sale<BalanceToBuy> {
  readonly origin = 'topup';
  readonly seal = 'balance';
  readonly hints = { description: 'Prepaid balance', mimeType: 'application/json' };
  readonly asksWho = true;

  constructor(
    private readonly store: TopUpsStore,
    private readonly agents: Pick<AuthenticateAgent, 'run'> | undefined,
    private readonly assets: PayableAssets,
    private readonly clock: Clock,
    private readonly ids: IdSource,
    private readonly settings: { readonly publicUrl: string },
  ) {}

  async sold(asked: BalanceToBuy): Promise<Sold> {
    const [asset] = this.assets();
    if (!asset) {
      throw new Fault('unavailable', 'No token can be paid with now; try again shortly.', { reason: 'no_asset' });
    }
    return { provider: asked.provider, request: this.#requestOf(asked), asset };
  }

  /** @throws Fault invalid_request (`amount_out_of_range`, with the range) */
  async price({ provider, amount }: BalanceToBuy): Promise<bigint> {
    const { least, most } = await this.store.settings(provider);
    if (amount >= least && amount <= most) return amount;
    throw new Fault('invalid_request', `Balance is sold from ${least} to ${most} atomic units at once.`, {
      reason: 'amount_out_of_range',
      details: { least: least.toString(), most: most.toString() },
    });
  }

  /** The account that an agent shows to be. The request itself names the attempt: the same proof may come with its payment. */
  async buyer(asked: BalanceToBuy): Promise<string | undefined> {
    const { provider, account, proof, proven } = asked;
    if (account === undefined) return undefined;
    const attempt = `topup-${requestDigest(this.#requestOf(asked))}`;
    const agent = await this.agents?.run({ provider, proof, request: proven, attempt, now: this.clock.now() });
    if (agent?.outcome !== 'agent') {
      const why = agent?.outcome === 'refused' ? agent.message : 'Nothing in this request shows who asks.';
      throw new Fault(
        'unauthenticated',
        `${why} To buy balance for an account show a key of it or sign in; without "account" it is that of the wallet that pays.`,
        { reason: agent?.outcome === 'refused' ? agent.reason : 'missing_proof' },
      );
    }
    if (agent.account === account) return account;
    throw new Fault('forbidden', 'This request shows another account than it names. Nothing was charged.', {
      reason: 'another_account',
    });
  }

  async capture(_asked: BalanceToBuy, payment: ClaimedPayment, account: string): Promise<'captured'> {
    await this.store.capture(this.ids.next(ID_PREFIXES.topUp), payment, account);
    return 'captured';
  }

  async show(payment: { readonly id: string }): Promise<{ body: object; statusUrl: string }> {
    const topUp = await this.store.ofPayment(payment.id);
    if (!topUp) throw new Fault('invariant_broken', `payment ${payment.id} bought balance and its top-up is gone`);
    const view = viewOfTopUp(topUp, this.settings.publicUrl);
    return { body: { topUp: view }, statusUrl: view.statusUrl };
  }

  #requestOf({ bodyDigest }: BalanceToBuy): QuotedRequest {
    return { method: 'POST', url: topUpUrl(this.settings.publicUrl), bodyDigest, meter: SOLD_AS, quantity: '1' };
  }
}
