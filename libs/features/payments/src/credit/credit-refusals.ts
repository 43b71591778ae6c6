import type { CreditError } from '@core/x402';
import type { AuthenticateAgent } from '@features/accounts';

type AgentRefusal = Extract<Awaited<ReturnType<AuthenticateAgent['run']>>, { outcome: 'refused' }>['reason'];

const KNOWN: Partial<Record<AgentRefusal, CreditError>> = {
  invalid_payment_signature: 'invalid_payment_signature',
  signature_agent_unknown: 'signature_agent_unknown',
  unknown_agent: 'signature_agent_unknown',
  key_directory_unavailable: 'unknown',
};

/** The code of the wire for a signed request that is not taken: what the signature lacks is told beside it. */
export const creditErrorOf = (reason: AgentRefusal): CreditError => KNOWN[reason] ?? 'invalid_signature';
