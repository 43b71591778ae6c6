import { openStatementSweeps } from '@features/collections';
import { IngestBatch, IngestUsage } from '@features/metering';
import { openPayments } from '@features/payments';
import { PriceBookCache } from '@features/pricing';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { Config } from '@platform/config';
import { addHotRoutes, type DoorOptions, openDoor } from '@platform/http';
import { checkSignature, Ed25519Keys } from '@platform/signing';
import { NestLogger } from '@platform/telemetry';
import { AgentCallers } from './agent-caller.js';
import { openAgentsOn } from './agents.js';
import { AppModule, documentOf } from './app.module.js';
import { openChain } from './chain.js';
import { ProviderKeyCheck } from './key-check.js';
import { operations } from './operations.js';
import { Readiness } from './readiness.js';
import { closeRim, openRim, type Rim } from './rim.js';
import { creditRoutes } from './routes/credit.routes.js';
import { eventRoutes } from './routes/events.route.js';
import { facilitatorRoutes } from './routes/facilitator.routes.js';
import { gateRoutes } from './routes/gate.routes.js';
import { paymentRoutes } from './routes/payments.route.js';
import { signingRoutes } from './routes/signing.routes.js';
import { refundRoutes } from './routes/refunds.routes.js';
import { resourceRoutes } from './routes/resources.routes.js';
import { statementPaymentRoutes } from './routes/statement-payments.routes.js';
import { streamRoutes } from './routes/stream.route.js';
import { stripeWebhookRoutes } from './routes/stripe-webhook.route.js';
import { takeStripeEventOf } from './stripe.js';
import { topUpRoutes } from './routes/topups.routes.js';

/** A running api. */
export interface Api {
  readonly app: NestFastifyApplication;
  readonly rim: Rim;
  /** Starts to listen; port 0 takes a free one. @returns the URL it listens at */
  listen(port: number, host: string): Promise<string>;
  /** Takes no new requests, ends the running ones, closes what was opened. */
  close(): Promise<void>;
}

/** Puts the api together. `replaced` lets a test hold the clock or read the log. */
export async function createApp(config: Config, replaced: Partial<Rim> = {}): Promise<Api> {
  const rim = openRim(config, replaced);
  const { database, writer, clock, ids, logger, metrics } = rim;
  const chain = await openChain(rim);
  const agents = await openAgentsOn(rim);
  const signing = config.SIGNING_KEYS && new Ed25519Keys(config.SIGNING_KEYS, config.PUBLIC_URL);
  const payments = openPayments({
    database,
    writer,
    book: new PriceBookCache(database, clock),
    chain: chain.reader,
    verifier: chain.verifier,
    clock,
    ids,
    assets: chain.assets,
    agents,
    channels: chain.channels,
    relay: chain.relay,
    upto: chain.upto,
    signer: signing,
    checkSignature: signing && ((jws) => checkSignature(jws, { keys: [...signing.jwks().keys] })),
    settings: {
      publicUrl: config.PUBLIC_URL,
      quoteSecret: config.QUOTE_SECRET,
      quoteSeconds: config.QUOTE_SECONDS,
      releaseWaitMs: config.RELEASE_WAIT_MS,
      staleSeconds: config.CHAIN_STALE_SECONDS,
      exposureCap: config.EXPOSURE_CAP === undefined ? undefined : BigInt(config.EXPOSURE_CAP),
    },
  });
  const sweeps = openStatementSweeps(payments, {
    writer,
    database,
    assets: chain.assets,
    ids,
    settings: { publicUrl: config.PUBLIC_URL },
  });
  const keys = new ProviderKeyCheck(agents.authenticateKey);
  const options: DoorOptions = {
    operations,
    keys,
    ids,
    logger,
    metrics,
    pages: ['/docs', '/docs-json', '/docs-yaml'],
    trustedProxies: config.TRUSTED_PROXIES,
  };
  const server = await openDoor(options);
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.on(rim, chain, agents),
    new FastifyAdapter(server),
    {
      logger: new NestLogger(logger),
      bodyParser: false,
      abortOnError: false,
    },
  );
  await addHotRoutes(server, options, [
    ...eventRoutes(new IngestUsage(writer), clock, metrics),
    ...streamRoutes(new IngestBatch(writer), clock, metrics),
    ...gateRoutes(payments, metrics),
    ...paymentRoutes(payments),
    ...signingRoutes(signing),
    ...facilitatorRoutes(payments),
    ...resourceRoutes(payments),
    ...creditRoutes(payments, new AgentCallers(agents.authenticateKey, config.PUBLIC_URL)),
    ...topUpRoutes(payments, new AgentCallers(agents.authenticateKey, config.PUBLIC_URL)),
    ...refundRoutes(payments),
    ...statementPaymentRoutes(sweeps),
    ...stripeWebhookRoutes(takeStripeEventOf(rim)),
  ]);
  SwaggerModule.setup('docs', app, documentOf(config.PUBLIC_URL) as OpenAPIObject & Record<string, unknown>);
  await app.init();
  return {
    app,
    rim,
    listen: async (port, host) => {
      await app.listen(port, host);
      return app.getUrl();
    },
    close: async () => {
      await app.close();
      chain.close();
      await Promise.all([payments.close(), app.get(Readiness).close()]);
      await closeRim(rim);
    },
  };
}
