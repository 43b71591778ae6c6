import { parsePeriod } from '@core/time';
import { ReadStatement, renderStatementCsv, renderStatementJson } from '@features/statements';
import { Controller, Headers, Param, Res } from '@nestjs/common';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { label, needs } from '../fields.js';
import { formOf, readStatement } from '../statement-shapes.js';
import { issuedStatementOperations } from './issued-statements.controller.js';

const path = z.strictObject({
  account: label().describe('Id or name of the account.'),
  period: z
    .string()
    .max(20, 'must be a month (2026-11) or a day (2026-11-21)')
    .describe('A month (2026-11) or a day (2026-11-21), in UTC; with .csv or .json to say the form.'),
});

const read: Operation = {
  method: 'GET',
  path: '/v1/statements/:account/:period',
  summary: 'The statement of an account for a period',
  description: 'JSON, or CSV where the path ends in .csv or `Accept: text/csv` is sent.',
  area: 'finance',
  access: needs('finance'),
  params: path,
  answers: { 200: { description: 'The statement.', schema: readStatement } },
};

export const statementOperations = [read, ...issuedStatementOperations];

@Controller()
export class StatementsController {
  constructor(private readonly statements: ReadStatement) {}

  @Serves(read)
  async read(
    @By() caller: Caller,
    @Param('account') account: string,
    @Param('period') named: string,
    @Headers('accept') accept: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { name: period, form } = formOf(named, accept);
    const found = await this.statements.run({ provider: caller.provider, account, period: parsePeriod(period) });
    void reply.header('cache-control', 'private, no-store').header('vary', 'accept');
    if (form === 'json') return renderStatementJson(found);
    void reply
      .type('text/csv; charset=utf-8; header=present')
      .header('content-disposition', `attachment; filename="statement-${found.account.id}-${period}.csv"`);
    return renderStatementCsv(found);
  }
}
