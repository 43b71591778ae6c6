import { IdSource } from '@core/ids';
import { Clock } from '@core/time';
import {
  type Agents,
  CreateAccount,
  CreateKey,
  ListAccounts,
  ListKeys,
  ReadAccount,
  ReadProvider,
  ReadTerms,
  RevokeKey,
  SetTerms,
  UpdateProvider,
} from '@features/accounts';
import {
  CollectionsReader,
  CollectNow,
  ManageMethods,
  OpenCheckout,
  openCollectNow,
  RefundStatement,
} from '@features/collections';
import { Ledger, LedgerReader } from '@features/ledger';
import { RateUsage } from '@features/pricing';
import { CloseDue, ReadIssued, ReadStatement } from '@features/statements';
import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR } from '@nestjs/core';
import { Database, Writer } from '@platform/database';
import { IdempotencyInterceptor, IdempotentRequests, openApiOf, ProblemFilter } from '@platform/http';
import { Outbox } from '@platform/queues';
import { Metrics } from '@platform/telemetry';
import { agentCommands } from './agents.js';
import { built } from './built.js';
import { type ChainRim, PRICEABLE_TOKENS } from './chain.js';
import { AccountsController } from './controllers/accounts.controller.js';
import { AgentController } from './controllers/agent.controller.js';
import { AgentKeysController } from './controllers/agent-keys.controller.js';
import { AgreementsController } from './controllers/agreements.controller.js';
import { BackfillsController } from './controllers/backfills.controller.js';
import { CardRefundsController } from './controllers/card-refunds.controller.js';
import { CollectionsController } from './controllers/collections.controller.js';
import { EventsController } from './controllers/events.controller.js';
import { GrantsController } from './controllers/grants.controller.js';
import { HeldEventsController } from './controllers/held-events.controller.js';
import { IdentitiesController } from './controllers/identities.controller.js';
import { KeysController } from './controllers/keys.controller.js';
import { LedgerController } from './controllers/ledger.controller.js';
import { LimitsController } from './controllers/limits.controller.js';
import { MetersController } from './controllers/meters.controller.js';
import { API_DOCUMENT, OperationsController } from './controllers/operations.controller.js';
import { PaymentMethodsController } from './controllers/payment-methods.controller.js';
import { PeriodsController } from './controllers/periods.controller.js';
import { PlansController } from './controllers/plans.controller.js';
import { PricesController } from './controllers/prices.controller.js';
import { ProviderController } from './controllers/provider.controller.js';
import { IssuedStatementsController } from './controllers/issued-statements.controller.js';
import { StatementsController } from './controllers/statements.controller.js';
import { TermsController } from './controllers/terms.controller.js';
import { UsageController } from './controllers/usage.controller.js';
import { WalletController } from './controllers/wallet.controller.js';
import { WebhookEndpointsController } from './controllers/webhook-endpoints.controller.js';
import { WebhookEventsController } from './controllers/webhook-events.controller.js';
import { meteringCommands } from './metering-commands.js';
import { operations } from './operations.js';
import { pricingCommands } from './pricing-commands.js';
import { Readiness } from './readiness.js';
import type { Rim } from './rim.js';
import { openCheckoutOf } from './stripe.js';
import { walletCommands } from './wallet-commands.js';
import { webhookCommands } from './webhook-commands.js';

/** The controllers and what they call. The rim is opened before and given in: tests give another one. */
@Module({})
export class AppModule {
  static on(rim: Rim, chain: ChainRim, agents: Agents): DynamicModule {
    const ports: Provider[] = [
      { provide: Database, useValue: rim.database },
      { provide: Writer, useValue: rim.writer },
      { provide: Clock, useValue: rim.clock },
      { provide: IdSource, useValue: rim.ids },
      { provide: Metrics, useValue: rim.metrics },
      { provide: PRICEABLE_TOKENS, useValue: chain.tokens },
      { provide: Outbox, useValue: new Outbox() },
      { provide: Readiness, useValue: new Readiness(rim.database, rim.writer, chain.reader, rim.clock, rim.config) },
      { provide: API_DOCUMENT, useValue: documentOf(rim.config.PUBLIC_URL) },
    ];
    const commands: Provider[] = [
      { provide: CreateKey, useValue: new CreateKey(rim.database, rim.ids, rim.clock, rim.config.KEY_PEPPER) },
      built(RevokeKey, Database, Clock),
      built(ListKeys, Database),
      built(ReadProvider, Database),
      built(UpdateProvider, Database),
      built(CreateAccount, Database, IdSource, Clock),
      built(ListAccounts, Database),
      built(ReadAccount, Database),
      built(ReadTerms, Database),
      built(SetTerms, Database, Clock),
      ...agentCommands(agents, rim.config.PUBLIC_URL),
      built(LedgerReader),
      ...meteringCommands(rim),
      ...pricingCommands(),
      ...walletCommands(),
      built(CollectionsReader),
      built(ManageMethods, Database),
      { provide: OpenCheckout, useValue: openCheckoutOf(rim) },
      {
        provide: RefundStatement,
        useValue: new RefundStatement(rim.database, new Ledger(), rim.ids),
      },
      {
        provide: CollectNow,
        inject: [Database, IdSource, CollectionsReader],
        useFactory: openCollectNow,
      },
      ...webhookCommands(rim.config),
      built(ReadStatement, Database, RateUsage, Clock),
      built(ReadIssued, Database, Clock),
      built(CloseDue, Writer, RateUsage, IdSource),
    ];
    const door: Provider[] = [
      built(IdempotentRequests, Database, Clock),
      { provide: APP_FILTER, useValue: new ProblemFilter({ logger: rim.logger, operations }) },
      { provide: APP_INTERCEPTOR, useClass: IdempotencyInterceptor },
    ];
    return {
      module: AppModule,
      controllers: [
        AccountsController,
        AgentController,
        AgentKeysController,
        AgreementsController,
        BackfillsController,
        CardRefundsController,
        CollectionsController,
        EventsController,
        GrantsController,
        HeldEventsController,
        IdentitiesController,
        IssuedStatementsController,
        KeysController,
        LedgerController,
        LimitsController,
        MetersController,
        OperationsController,
        PaymentMethodsController,
        PeriodsController,
        PlansController,
        PricesController,
        ProviderController,
        StatementsController,
        TermsController,
        UsageController,
        WalletController,
        WebhookEndpointsController,
        WebhookEventsController,
      ],
      providers: [...ports, ...commands, ...door],
    };
  }
}

export const documentOf = (url: string) =>
  openApiOf(operations.operations, {
    title: 'Farebox',
    version: '1',
    description:
      'Usage-metered billing for providers whose customers are agents: metering, x402 quotes, settlement in USDC, statements that are collected by card, bank debit or USDC.',
    url,
  });
