import { IdSource } from '@core/ids';
import { Clock } from '@core/time';
import { WebhookPost } from '@core/webhooks';
import {
  ChangeEndpoint,
  CreateEndpoint,
  RemoveEndpoint,
  ReplayEvent,
  RotateSecret,
  TestEndpoint,
  WebhookSecrets,
  WebhooksReader,
} from '@features/webhooks';
import type { Provider } from '@nestjs/common';
import type { Config } from '@platform/config';
import { Database } from '@platform/database';
import { Outbound, OutboundPost } from '@platform/outbound';
import { built } from './built.js';

/** The api checks URLs and shows secrets; what is due is posted by the worker. */
export const webhookCommands = (config: Config): Provider[] => [
  { provide: WebhookPost, useValue: new OutboundPost(new Outbound({ loopback: config.WEBHOOK_LOOPBACK })) },
  { provide: WebhookSecrets, useValue: new WebhookSecrets(config.WEBHOOK_SECRET_KEY ?? config.KEY_PEPPER) },
  built(CreateEndpoint, Database, IdSource, Clock, WebhookSecrets, WebhookPost),
  built(ChangeEndpoint, Database, Clock, WebhookPost),
  built(RotateSecret, Database, Clock, WebhookSecrets),
  built(RemoveEndpoint, Database, Clock),
  built(TestEndpoint, Database, IdSource, Clock),
  built(ReplayEvent, Database, Clock),
  built(WebhooksReader, Database, Clock),
];
