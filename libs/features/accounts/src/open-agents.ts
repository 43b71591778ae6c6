import type { KeyDirectory, WalletSignatures } from '@core/agents';
import type { IdSource } from '@core/ids';
import type { Clock } from '@core/time';
import type { Database, Writer } from '@platform/database';
import { AuthenticateAgent } from './agents/authenticate-agent.js';
import { CheckSignIn } from './agents/check-sign-in.js';
import { CheckSignedRequest } from './agents/check-signed-request.js';
import { CreateAgentKey } from './agents/create-agent-key.js';
import { ListAgentKeys } from './agents/list-agent-keys.js';
import { OfferSignIn } from './agents/offer-sign-in.js';
import { ProveIdentity } from './agents/prove-identity.js';
import { RevokeAgentKey } from './agents/revoke-agent-key.js';
import { SignInNonces } from './agents/sign-in-nonces.js';
import { UsedProofs } from './agents/used-proofs.js';
import { AuthenticateKey } from './authenticate-key.js';
import { SuspendedAccounts } from './terms/suspended-accounts.js';
import { FindAgent } from './identities/find-agent.js';
import { LinkIdentity } from './identities/link-identity.js';
import { ListIdentities } from './identities/list-identities.js';
import { UnlinkIdentity } from './identities/unlink-identity.js';

/** All that can be done about who an agent is. One per process: what is remembered is shared. */
export interface Agents {
  /** Providers' keys and agents' keys alike. */
  readonly authenticateKey: AuthenticateKey;
  readonly authenticate: AuthenticateAgent;
  readonly offerSignIn: OfferSignIn;
  readonly createKey: CreateAgentKey;
  readonly listKeys: ListAgentKeys;
  readonly revokeKey: RevokeAgentKey;
  readonly linkIdentity: LinkIdentity;
  readonly listIdentities: ListIdentities;
  readonly unlinkIdentity: UnlinkIdentity;
}

export function openAgents(on: {
  database: Database;
  writer: Writer;
  clock: Clock;
  ids: IdSource;
  /** Keeps hashes of keys, and seals the nonces of sign-ins. */
  pepper: string;
  signatures: WalletSignatures;
  directory: KeyDirectory;
}): Agents {
  const { database, writer, clock, ids, pepper } = on;
  const nonces = new SignInNonces(pepper);
  const authenticateKey = new AuthenticateKey(database, clock, pepper);
  const prove = new ProveIdentity(
    new CheckSignIn(nonces, on.signatures),
    new CheckSignedRequest(on.directory),
    new UsedProofs(writer),
  );
  return {
    authenticateKey,
    authenticate: new AuthenticateAgent(authenticateKey, prove, new FindAgent(writer), new SuspendedAccounts(writer)),
    offerSignIn: new OfferSignIn(nonces),
    createKey: new CreateAgentKey(database, ids, clock, pepper),
    listKeys: new ListAgentKeys(database),
    revokeKey: new RevokeAgentKey(database, clock),
    linkIdentity: new LinkIdentity(database, prove, clock),
    listIdentities: new ListIdentities(database),
    unlinkIdentity: new UnlinkIdentity(database),
  };
}
