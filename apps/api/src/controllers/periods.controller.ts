import { Fault } from '@core/faults';
import { parsePeriod } from '@core/time';
import { type ClosedPeriod, ClosePeriod, PeriodReader } from '@features/pricing';
import { Body, Controller } from '@nestjs/common';
import { Database } from '@platform/database';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import { z } from 'zod';
import { needs, shown, time } from '../fields.js';

const closed = z.object({
  period: z.string().describe('The month, in UTC.'),
  start: shown.time,
  end: shown.time,
  closedAt: shown.time,
});

const view = ({ period, closedAt }: ClosedPeriod) => ({
  period: time(period.start).slice(0, 'yyyy-mm'.length),
  start: time(period.start),
  end: time(period.end),
  closedAt: time(closedAt),
});

const list: Operation = {
  method: 'GET',
  path: '/v1/periods',
  summary: 'List closed periods',
  area: 'finance',
  access: needs('finance'),
  answers: { 200: { description: 'Earliest first.', schema: z.object({ data: z.array(closed) }) } },
};

const closing = z.strictObject({ period: z.string().max(10, 'must be a month, e.g. 2026-10') });
type Closing = z.output<typeof closing>;

const close: Operation = {
  method: 'POST',
  path: '/v1/periods/close',
  summary: 'Close a month',
  description:
    'Rates what is left of it; from then on its charges stand. What changes of it later is charged in the open month, by charges that name the ones they correct.',
  area: 'finance',
  access: needs('finance'),
  body: closing,
  idempotency: 'repeatable',
  answers: {
    200: {
      description: 'It is closed.',
      schema: z.object({ outcome: z.enum(['closed', 'already_closed']), ...closed.shape }),
    },
  },
};

export const periodOperations = [list, close];

@Controller()
export class PeriodsController {
  constructor(
    private readonly periods: PeriodReader,
    private readonly closePeriod: ClosePeriod,
    private readonly database: Database,
  ) {}

  @Serves(list)
  async list(@By() { provider }: Caller) {
    return this.database.forProvider(provider, async (tx) => ({ data: (await this.periods.list(tx)).map(view) }));
  }

  @Serves(close)
  async close(@By() { provider }: Caller, @Body() { period }: Closing) {
    if (!/^\d{4}-\d{2}$/.test(period))
      throw new Fault('invalid_request', 'period must be a month, e.g. 2026-10.', { reason: 'invalid_period' });
    const done = await this.closePeriod.run({ provider, period: parsePeriod(period) });
    return { outcome: done.outcome, ...view(done.closed) };
  }
}
