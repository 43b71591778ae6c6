import type { AgentProof } from '@core/agents';
import { Fault } from '@core/faults';
import type { Clock } from '@core/time';
import type { Database } from '@platform/database';
import { PROOF_MESSAGES } from '../agents/proof-messages.js';
import type { ProofRefusal, ProveIdentity, ProvenIdentity, ProvenRequest } from '../agents/prove-identity.js';
import { ReadAccount } from '../read-account.js';
import type { Identity } from '../views.js';
import { IdentitiesStore } from './identities.store.js';

export type IdentityLink =
  | { readonly outcome: 'linked' | 'exists'; readonly identity: Identity }
  /** `account`: whose it is. */
  | { readonly outcome: 'taken'; readonly account: string }
  | { readonly outcome: 'refused'; readonly reason: ProofRefusal | 'no_proof'; readonly message: string };

const NO_PROOF =
  'This needs a proof of the identity: SIGN-IN-WITH-X of a wallet, or Signature, Signature-Input and Signature-Agent of a host.';

/**
 * Links a wallet or a host to an account. Who asks has shown a key of the account or of its provider; the proof shows that the
 * identity is there too, and names the URL of this very link.
 */
export class LinkIdentity {
  readonly #store = new IdentitiesStore();
  readonly #accounts: ReadAccount;

  constructor(
    private readonly database: Database,
    private readonly identities: ProveIdentity,
    private readonly clock: Clock,
  ) {
    this.#accounts = new ReadAccount(database);
  }

  /** @throws Fault not_found when the provider has no such account. */
  async run(input: {
    provider: string;
    account: string;
    proof: AgentProof;
    request: ProvenRequest;
  }): Promise<IdentityLink> {
    const now = this.clock.now();
    const { provider, account, proof, request } = input;
    await this.#accounts.run({ provider, account });
    // The caller has a key, so a host that nobody knows yet may be asked.
    const admits = () => Promise.resolve(true);
    const check = await this.identities.check({ provider, proof, request, exactly: true, admits, now });
    if (check.outcome === 'none') return { outcome: 'refused', reason: 'no_proof', message: NO_PROOF };
    const reason = check.outcome === 'refused' ? check.reason : await this.identities.use(check.identity, now);
    if (reason !== undefined) return { outcome: 'refused', reason, message: PROOF_MESSAGES[reason] };
    if (check.outcome === 'refused') throw new Fault('invariant_broken', 'a refusal has no reason');
    return this.#link(provider, account, check.identity);
  }

  async #link(provider: string, account: string, proven: ProvenIdentity): Promise<IdentityLink> {
    const now = this.clock.now();
    const { kind, subject, shown } = proven;
    return this.database.forProvider(provider, async (tx): Promise<IdentityLink> => {
      const name = { provider, kind, subject };
      const linked = await this.#store.insert(tx, name, account, { proof: shown.kind, now });
      const identity = await this.#store.identity(tx, name);
      // Unlinked between the two statements: the same as not being linked, and asking again tells.
      if (!identity) throw new Fault('unavailable', 'The identity is being changed: ask again.');
      if (identity.account !== account) return { outcome: 'taken', account: identity.account };
      return { outcome: linked ? 'linked' : 'exists', identity };
    });
  }
}
