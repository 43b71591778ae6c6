export { type Account, type Identity, type ListedAgentKey, type ListedKey, type ProviderSettings } from './views.js';
export { KEY_SCOPES, type KeyScope, isKeyScope } from './scopes.js';
export { CreateProvider } from './create-provider.js';
export { UpdateProvider } from './update-provider.js';
export { ReadProvider } from './read-provider.js';
export { CreateKey } from './create-key.js';
export { RevokeKey } from './revoke-key.js';
export { ListKeys } from './list-keys.js';
export { AuthenticateKey, type AgentKeyHolder } from './authenticate-key.js';
export { CreateAccount } from './create-account.js';
export { ListAccounts } from './list-accounts.js';
export { ReadAccount } from './read-account.js';
export { openAgents, type Agents } from './open-agents.js';
export { AuthenticateAgent, keyIn, type KnownAgent } from './agents/authenticate-agent.js';
export { type ProvenRequest } from './agents/prove-identity.js';
export { OfferSignIn } from './agents/offer-sign-in.js';
export { CreateAgentKey } from './agents/create-agent-key.js';
export { ListAgentKeys } from './agents/list-agent-keys.js';
export { RevokeAgentKey } from './agents/revoke-agent-key.js';
export { LinkIdentity, type IdentityLink } from './identities/link-identity.js';
export { ListIdentities } from './identities/list-identities.js';
export { UnlinkIdentity } from './identities/unlink-identity.js';
export {
  type AccountStanding,
  BILLING_RAILS,
  type BillingRailName,
  PAST_DUE,
  type PastDueAction,
  STANDINGS,
  type Terms,
} from './terms/terms.js';
export { ReadTerms, SetTerms } from './terms/set-terms.js';
export { Standing } from './terms/standing.js';
