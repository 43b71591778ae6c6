import { DeliverWebhooks, WebhookSecrets } from '@features/webhooks';
import type { Config } from '@platform/config';
import type { Writer } from '@platform/database';
import { Outbound, OutboundPost } from '@platform/outbound';
import type { Logger } from '@platform/telemetry';

/** How many POSTs a worker has under way; an endpoint has at most four of them. */
const POSTS_AT_ONCE = 64;

/** What providers are told goes out by these. */
export const deliverWebhooksOf = (config: Config, writer: Writer, logger: Logger): DeliverWebhooks =>
  new DeliverWebhooks({
    writer,
    post: new OutboundPost(new Outbound({ loopback: config.WEBHOOK_LOOPBACK, atOnce: POSTS_AT_ONCE })),
    secrets: new WebhookSecrets(config.WEBHOOK_SECRET_KEY ?? config.KEY_PEPPER),
    logger,
    atOnce: POSTS_AT_ONCE,
  });
