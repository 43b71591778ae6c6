import { Fault } from '@core/faults';
import type { AuthenticateKey } from '@features/accounts';
import { type CallerCheck, KeyCheck } from '@platform/http';

/** Providers' keys, as the door asks for them. */
export class ProviderKeyCheck extends KeyCheck {
  constructor(private readonly authenticate: AuthenticateKey) {
    super();
  }

  async check(key: string): Promise<CallerCheck> {
    const answer = await this.authenticate.run(key);
    if (answer.outcome === 'agent') {
      throw new Fault(
        'forbidden',
        'This is a key of an agent, which pays for requests to a service and reads its own account under /v1/agent: use a provider key here.',
        { reason: 'agent_key' },
      );
    }
    return answer.outcome === 'authenticated' ? { outcome: 'authenticated', caller: answer.holder } : answer;
  }
}
