import {
  type Agents,
  CreateAgentKey,
  LinkIdentity,
  ListAgentKeys,
  ListIdentities,
  OfferSignIn,
  openAgents,
  RevokeAgentKey,
  UnlinkIdentity,
} from '@features/accounts';
import type { Provider } from '@nestjs/common';
import { TextSignatures } from '@platform/chain';
import { Outbound, WebKeyDirectory } from '@platform/outbound';
import { AgentCallers } from './agent-caller.js';
import type { Rim } from './rim.js';

/** Who agents are, as the door and the gate ask for it. One per process: what is remembered is shared. */
export async function openAgentsOn({ database, writer, clock, ids, config }: Rim): Promise<Agents> {
  return openAgents({
    database,
    writer,
    clock,
    ids,
    pepper: config.KEY_PEPPER,
    signatures: await TextSignatures.create(),
    // Where agents reach us on this machine alone, that is where their directories may be too.
    directory: new WebKeyDirectory(new Outbound({ loopback: isLocal(config) }), clock),
  });
}

const isLocal = ({ NODE_ENV, PUBLIC_URL }: Rim['config']): boolean =>
  NODE_ENV !== 'production' && ['127.0.0.1', 'localhost'].includes(new URL(PUBLIC_URL).hostname);

export const agentCommands = (agents: Agents, publicUrl: string): Provider[] => [
  { provide: CreateAgentKey, useValue: agents.createKey },
  { provide: ListAgentKeys, useValue: agents.listKeys },
  { provide: RevokeAgentKey, useValue: agents.revokeKey },
  { provide: LinkIdentity, useValue: agents.linkIdentity },
  { provide: ListIdentities, useValue: agents.listIdentities },
  { provide: UnlinkIdentity, useValue: agents.unlinkIdentity },
  { provide: OfferSignIn, useValue: agents.offerSignIn },
  { provide: AgentCallers, useValue: new AgentCallers(agents.authenticateKey, publicUrl) },
];
