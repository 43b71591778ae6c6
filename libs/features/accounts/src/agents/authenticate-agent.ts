import { AGENT_SCOPES, type AgentBudget, type AgentProof, type AgentScope } from '@core/agents';
import type { Instant } from '@core/time';
import type { AuthenticateKey } from '../authenticate-key.js';
import type { FindAgent } from '../identities/find-agent.js';
import type { SuspendedAccounts } from '../terms/suspended-accounts.js';
import { type AgentRefusal, PROOF_MESSAGES } from './proof-messages.js';
import type { ProveIdentity, ProvenRequest } from './prove-identity.js';

interface AgentToAuthenticate {
  readonly provider: string;
  readonly proof: AgentProof;
  readonly request: ProvenRequest;
  /** The request's attempt: the same one may show a proof again whose answer was lost. */
  readonly attempt?: string | undefined;
  readonly now: Instant;
}

/** By what an agent is known. */
type KnownBy =
  /** `subject` is the id of the key, `key_…`. */
  | { readonly kind: 'key'; readonly subject: string; readonly keyId: string }
  /** An address, 0x-prefixed, lower case. */
  | { readonly kind: 'wallet'; readonly subject: string }
  /** A host; `keyId` is the thumbprint of the key that signed. */
  | { readonly kind: 'directory'; readonly subject: string; readonly keyId: string };

export interface KnownAgent {
  readonly outcome: 'agent';
  readonly account: string;
  readonly by: KnownBy;
  readonly scopes: readonly AgentScope[];
  /** What it may spend at most by this proof; none: all that the account may. */
  readonly budgets: readonly AgentBudget[];
  /** Its account has not paid: it is served nothing that it does not pay for at once. */
  readonly isSuspended: boolean;
}

type AgentAuthentication =
  | KnownAgent
  /** Nothing here says who asks. */
  | { readonly outcome: 'none' }
  | { readonly outcome: 'refused'; readonly reason: AgentRefusal; readonly message: string };

const refused = (reason: AgentRefusal): AgentAuthentication => ({
  outcome: 'refused',
  reason,
  message: PROOF_MESSAGES[reason],
});

/**
 * Tells which account an agent asks for, by the first of: its key, a sign-in of its wallet, a signature on the request. A proof of
 * an agent that is not known is not used up, and leaves nothing behind.
 */
export class AuthenticateAgent {
  constructor(
    private readonly keys: AuthenticateKey,
    private readonly identities: ProveIdentity,
    private readonly agents: FindAgent,
    private readonly suspended: SuspendedAccounts,
  ) {}

  /** @throws Fault unavailable when the database does not answer: then nobody is let in. */
  async run(input: AgentToAuthenticate): Promise<AgentAuthentication> {
    const key = keyIn(input.proof.authorization);
    return key === undefined ? this.#byIdentity(input) : this.#byKey(key, input);
  }

  async #byKey(
    text: string,
    { provider, now }: Pick<AgentToAuthenticate, 'provider' | 'now'>,
  ): Promise<AgentAuthentication> {
    const answer = await this.keys.run(text);
    if (answer.outcome === 'refused') return refused(`${answer.reason}_key`);
    if (answer.holder.provider !== provider) return refused('unknown_key');
    if (answer.outcome === 'authenticated') return refused('provider_key');
    const { account, key, scopes, budgets } = answer.holder;
    const isSuspended = await this.suspended.has(account, now);
    return { outcome: 'agent', account, by: { kind: 'key', subject: key, keyId: key }, scopes, budgets, isSuspended };
  }

  async #byIdentity({ provider, proof, request, attempt, now }: AgentToAuthenticate): Promise<AgentAuthentication> {
    const admits = async (host: string) =>
      (await this.agents.accountOf({ provider, kind: 'directory', subject: host }, now)) !== undefined;
    const check = await this.identities.check({ provider, proof, request, attempt, exactly: false, admits, now });
    if (check.outcome === 'none') return check;
    if (check.outcome === 'refused') return refused(check.reason);
    const { identity } = check;
    const { kind, subject, keyId } = identity;
    const account = await this.agents.accountOf({ provider, kind, subject }, now);
    if (account === undefined) return refused('unknown_agent');
    const again = await this.identities.use(identity, now);
    if (again !== undefined) return refused(again);
    const by: KnownBy =
      kind === 'directory' && keyId !== undefined ? { kind, subject, keyId } : { kind: 'wallet', subject };
    const isSuspended = await this.suspended.has(account, now);
    return { outcome: 'agent', account, by, scopes: AGENT_SCOPES, budgets: [], isSuspended };
  }
}

/** What stands after `Bearer`, when it means to be a key of ours: a service may know bearer tokens of its own. */
export function keyIn(authorization: string | undefined): string | undefined {
  const token = authorization === undefined ? undefined : /^Bearer +(\S+)$/i.exec(authorization)?.[1];
  return token !== undefined && token.startsWith('fbx_') ? token : undefined;
}
