import { type PostAnswer, WebhookPost } from '@core/webhooks';
import type { Outbound } from './outbound.js';

/** Posts webhooks to receivers that providers name. */
export class OutboundPost extends WebhookPost {
  constructor(private readonly outbound: Outbound) {
    super();
  }

  override refusalOf(url: string): string | undefined {
    return this.outbound.refusalOf(url);
  }

  override async post(url: string, headers: Readonly<Record<string, string>>, body: string): Promise<PostAnswer> {
    const answer = await this.outbound.post(url, headers, body);
    return answer.outcome === 'answered' ? { outcome: 'answered', status: answer.document.status } : answer;
  }
}
