import { IDENTITY_KINDS, type IdentityKind } from '@core/agents';
import { Fault } from '@core/faults';
import { Clock } from '@core/time';
import { type IdentityLink, LinkIdentity, ListIdentities, OfferSignIn, UnlinkIdentity } from '@features/accounts';
import { Controller, Inject, Param, Req, Res } from '@nestjs/common';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AgentCallers } from '../agent-caller.js';
import { identity, identityView, signInChallenge } from '../agent-shapes.js';
import { type ChainRim, PRICEABLE_TOKENS } from '../chain.js';
import { idText, needs } from '../fields.js';

const accountPath = z.strictObject({ id: idText('acct') });
const identityPath = z.strictObject({
  id: idText('acct'),
  kind: z.enum(IDENTITY_KINDS),
  subject: z.string().max(253, 'must have at most 253 characters'),
});

const PROOFS =
  'The proof is a SIGN-IN-WITH-X header by the wallet over the challenge for this URL, or Signature, Signature-Input and Signature-Agent (RFC 9421, ed25519, tag web-bot-auth) by the host over at least @authority, @path and signature-agent.';

const list: Operation = {
  method: 'GET',
  path: '/v1/accounts/:id/identities',
  summary: 'List the identities of an account',
  area: 'agents',
  access: needs('read'),
  params: accountPath,
  answers: {
    200: { description: 'Wallets and hosts, oldest first.', schema: z.object({ data: z.array(identity) }) },
  },
};

const challenge: Operation = {
  method: 'GET',
  path: '/v1/accounts/:id/identities/challenge',
  summary: 'What a wallet is to sign to be linked',
  description: 'For the public sign-in-with-x clients. Holds for five minutes.',
  area: 'agents',
  access: needs('manage'),
  params: accountPath,
  answers: { 200: { description: 'The challenge.', schema: signInChallenge } },
};

const link: Operation = {
  method: 'POST',
  path: '/v1/accounts/:id/identities',
  summary: 'Link a wallet or a host to an account',
  description: `Your key speaks for the account, the proof for the identity. ${PROOFS}`,
  area: 'agents',
  access: needs('manage'),
  params: accountPath,
  answers: {
    201: { description: 'Linked.', schema: identity },
    200: { description: 'It was linked to this account before.', schema: identity },
  },
};

const unlink: Operation = {
  method: 'DELETE',
  path: '/v1/accounts/:id/identities/:kind/:subject',
  summary: 'Unlink a wallet or a host',
  description:
    'Takes effect everywhere within 5 seconds. What it did stays the account’s; a wallet that pays again opens a new account.',
  area: 'agents',
  access: needs('manage'),
  params: identityPath,
  answers: {
    200: { description: 'What was unlinked.', schema: identity.pick({ kind: true, subject: true, account: true }) },
  },
};

const linkOwn: Operation = {
  method: 'POST',
  path: '/v1/agent/identities',
  summary: 'Link a wallet or a host to your own account',
  description: `For agents, with a key that has every scope, no budget and no end. ${PROOFS}`,
  area: 'agents',
  access: 'public',
  perMinute: 60,
  answers: {
    201: { description: 'Linked.', schema: identity },
    200: { description: 'It was linked to your account before.', schema: identity },
  },
};

const challengeOwn: Operation = {
  method: 'GET',
  path: '/v1/agent/identities/challenge',
  summary: 'What your wallet is to sign to be linked',
  description: 'For agents, with a key that has every scope, no budget and no end. Holds for five minutes.',
  area: 'agents',
  access: 'public',
  perMinute: 60,
  answers: { 200: { description: 'The challenge.', schema: signInChallenge } },
};

const listOwn: Operation = {
  method: 'GET',
  path: '/v1/agent/identities',
  summary: 'List the identities of your own account',
  description: 'For agents, with a key of scope read.',
  area: 'agents',
  access: 'public',
  perMinute: 600,
  answers: {
    200: { description: 'Wallets and hosts, oldest first.', schema: z.object({ data: z.array(identity) }) },
  },
};

export const identityOperations = [list, challenge, link, unlink, listOwn, challengeOwn, linkOwn];

@Controller()
export class IdentitiesController {
  constructor(
    private readonly listIdentities: ListIdentities,
    private readonly linkIdentity: LinkIdentity,
    private readonly unlinkIdentity: UnlinkIdentity,
    private readonly offerSignIn: OfferSignIn,
    private readonly agents: AgentCallers,
    private readonly clock: Clock,
    @Inject(PRICEABLE_TOKENS) private readonly tokens: ChainRim['tokens'],
  ) {}

  @Serves(list)
  async list(@By() caller: Caller, @Param('id') account: string) {
    return { data: (await this.listIdentities.run({ provider: caller.provider, account })).map(identityView) };
  }

  @Serves(challenge)
  challenge(@By() caller: Caller, @Param('id') account: string, @Res({ passthrough: true }) reply: FastifyReply) {
    return this.#challenge(caller.provider, `/v1/accounts/${account}/identities`, account, reply);
  }

  @Serves(link)
  async link(
    @By() caller: Caller,
    @Param('id') account: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { provider } = caller;
    const answer = await this.linkIdentity.run({ provider, account, ...this.agents.shown(request) });
    if (answer.outcome === 'taken') throw taken({ account: answer.account });
    return linked(answer, reply);
  }

  @Serves(unlink)
  async unlink(
    @By() caller: Caller,
    @Param('id') account: string,
    @Param('kind') kind: IdentityKind,
    @Param('subject') subject: string,
  ) {
    await this.unlinkIdentity.run({ provider: caller.provider, account, kind, subject });
    return { kind, subject: subject.toLowerCase(), account };
  }

  @Serves(listOwn)
  async listOwn(@Req() request: FastifyRequest) {
    const { provider, account } = await this.agents.holder(request, 'read');
    return { data: (await this.listIdentities.run({ provider, account })).map(identityView) };
  }

  @Serves(challengeOwn)
  async challengeOwn(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    const { provider, account } = await this.agents.unlimitedHolder(request);
    return this.#challenge(provider, '/v1/agent/identities', account, reply);
  }

  @Serves(linkOwn)
  async linkOwn(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    const { provider, account } = await this.agents.unlimitedHolder(request);
    const answer = await this.linkIdentity.run({ provider, account, ...this.agents.shown(request) });
    if (answer.outcome === 'taken') throw taken({});
    return linked(answer, reply);
  }

  #challenge(provider: string, path: string, account: string, reply: FastifyReply) {
    void reply.header('cache-control', 'no-store');
    return this.offerSignIn.run({
      provider,
      url: this.agents.urlOf(path),
      networks: [...new Set(this.tokens.map(({ network }) => network))],
      statement: `Link this wallet to account ${account}.`,
      now: this.clock.now(),
    });
  }
}

function linked(answer: Exclude<IdentityLink, { outcome: 'taken' }>, reply: FastifyReply) {
  if (answer.outcome === 'refused') throw new Fault('unprocessable', answer.message, { reason: answer.reason });
  void reply.code(answer.outcome === 'linked' ? 201 : 200);
  return identityView(answer.identity);
}

/** Whose it is, is said to the provider alone. */
const taken = (details: { readonly account?: string }): Fault =>
  new Fault(
    'conflict',
    'This identity belongs to another account of the provider, and one identity belongs to one account. Accounts are not merged; the provider can unlink it there, and then it can be linked here.',
    { reason: 'identity_taken', details },
  );
