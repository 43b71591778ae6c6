import { IdSource } from '@core/ids';
import { Clock } from '@core/time';
import { Backfills, RollUpUsage } from '@features/metering';
import {
  AccountPriceReader,
  BackTestPrice,
  ClosePeriod,
  CreatePlan,
  CreatePrice,
  MigratePlan,
  MoveAccount,
  OverridePrice,
  PeriodReader,
  PlanReader,
  PreviewBackfill,
  PriceBook,
  RateUsage,
  RatingProblems,
  RevisePlan,
} from '@features/pricing';
import type { Provider } from '@nestjs/common';
import { Database, Writer } from '@platform/database';
import { Outbox } from '@platform/queues';
import { built } from './built.js';

export const pricingCommands = (): Provider[] => [
  built(CreatePrice, Database, Outbox, Clock, IdSource),
  built(BackTestPrice, Database, Clock),
  built(PriceBook),
  built(RatingProblems),
  built(CreatePlan, Database, Clock, IdSource),
  built(RevisePlan, Database, Clock, IdSource),
  built(MigratePlan, Database, Outbox, Clock),
  built(MoveAccount, Database, Outbox, Clock),
  built(PlanReader),
  built(OverridePrice, Database, Outbox, Clock, IdSource),
  built(AccountPriceReader),
  built(RateUsage, Writer, Database, Clock, IdSource, RollUpUsage),
  built(PreviewBackfill, Database, Backfills, Clock, IdSource),
  built(ClosePeriod, Database, RateUsage, RollUpUsage, Clock),
  built(PeriodReader),
];
