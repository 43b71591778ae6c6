import { IdSource } from '@core/ids';
import { Clock } from '@core/time';
import {
  AmendEvent,
  Backfills,
  CreateMeter,
  HeldEvents,
  ListEvents,
  ListMeters,
  ListStreams,
  MeterReader,
  PreviewMeter,
  ReadEvent,
  ReviseMeter,
  RollUpUsage,
  UsageReader,
  VoidEvent,
} from '@features/metering';
import type { Provider } from '@nestjs/common';
import type { Config } from '@platform/config';
import { Database, Writer } from '@platform/database';
import { Outbox } from '@platform/queues';
import { built } from './built.js';
import type { Rim } from './rim.js';

/** The worker rolls usage up; here it is rolled up where something needs what was received a moment ago. */
export const rollUpOf = ({ writer, clock, config }: Pick<Rim, 'writer' | 'clock' | 'config'>): RollUpUsage =>
  new RollUpUsage(writer, new Outbox(), clock, rollUpOptions(config));

const rollUpOptions = (config: Pick<Config, 'RATE_AFTER_MS'>) => ({ rateAfterMs: config.RATE_AFTER_MS });

export const meteringCommands = (rim: Rim): Provider[] => [
  { provide: RollUpUsage, useValue: rollUpOf(rim) },
  built(CreateMeter, Database, IdSource, Clock),
  built(ReviseMeter, Database, Clock),
  built(PreviewMeter, Database, Clock),
  built(ListMeters, Database),
  built(MeterReader),
  built(UsageReader),
  built(ListStreams, Database),
  built(ListEvents, Database),
  built(ReadEvent, Writer, RollUpUsage),
  built(VoidEvent, Writer, RollUpUsage),
  built(AmendEvent, Writer, RollUpUsage),
  built(HeldEvents, Database, Writer),
  built(Backfills, Database, Writer, IdSource, RollUpUsage),
];
