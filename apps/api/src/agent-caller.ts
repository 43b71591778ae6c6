import { type AgentProof, type AgentScope, isLimited } from '@core/agents';
import { Fault } from '@core/faults';
import { type AgentKeyHolder, type AuthenticateKey, keyIn, type ProvenRequest } from '@features/accounts';
import type { FastifyRequest } from 'fastify';

const HOW = 'Send the header "Authorization: Bearer fbx_…" with a key of an agent.';

/** Agents that ask for themselves, and what they show. */
export class AgentCallers {
  constructor(
    private readonly keys: Pick<AuthenticateKey, 'run'>,
    private readonly publicUrl: string,
  ) {}

  /**
   * The agent whose key a request carries.
   * @throws Fault unauthenticated (no key, or none that holds), forbidden (a provider's key, or one without the scope)
   */
  async holder(request: FastifyRequest, scope: AgentScope): Promise<AgentKeyHolder> {
    const key = keyIn(request.headers.authorization);
    if (key === undefined) throw new Fault('unauthenticated', `This needs a key. ${HOW}`, { reason: 'missing_key' });
    const answer = await this.keys.run(key);
    if (answer.outcome === 'refused') {
      throw new Fault('unauthenticated', `The key does not hold. ${HOW}`, { reason: `${answer.reason}_key` });
    }
    if (answer.outcome === 'authenticated') {
      throw new Fault('forbidden', `This is for agents, and the key is a provider’s. ${HOW}`, {
        reason: 'provider_key',
      });
    }
    const { holder } = answer;
    if (!holder.scopes.includes(scope)) {
      throw new Fault('forbidden', `The key lacks the scope "${scope}": ask the provider for one that has it.`, {
        reason: 'missing_scope',
        details: { required: scope, granted: holder.scopes },
      });
    }
    return holder;
  }

  /**
   * The same, when its key may do all that the account may.
   * @throws Fault as `holder`, and forbidden for a key with a budget, an end or only some scopes
   */
  async unlimitedHolder(request: FastifyRequest): Promise<AgentKeyHolder> {
    const holder = await this.holder(request, 'read');
    if (isLimited(holder)) {
      throw new Fault(
        'forbidden',
        'An identity of an account has every scope, no budget and no end, which this key has not: ask the provider to link it.',
        { reason: 'limited_key' },
      );
    }
    return holder;
  }

  /** The URL of a path here, as agents reach it. */
  urlOf(path: string): string {
    return `${this.publicUrl.replace(/\/$/, '')}${path}`;
  }

  /** What a request shows of an identity, and the request itself as it was signed. */
  shown(request: FastifyRequest): { readonly proof: AgentProof; readonly request: ProvenRequest } {
    const headers = Object.fromEntries(
      Object.entries(request.headers).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, [value].flat().join(', ')]],
      ),
    );
    return {
      proof: {
        signInWithX: headers['sign-in-with-x'],
        signature: headers['signature'],
        signatureInput: headers['signature-input'],
        signatureAgent: headers['signature-agent'],
      },
      request: { method: request.method, url: this.urlOf(request.url), headers },
    };
  }
}
