import type { AuthenticateKey } from '@features/accounts';
import { type CallerCheck, KeyCheck } from '@platform/http';

/** Providers' keys, as the door asks for them. */
export class ProviderKeyCheck extends KeyCheck {
  constructor(private readonly authenticate: AuthenticateKey) {
    super();
  }

  async check(key: string): Promise<CallerCheck> {
    const answer = await this.authenticate.run(key);
    return answer.outcome === 'authenticated' ? { outcome: 'authenticated', caller: answer.holder } : answer;
  }
}
