import { ID_PREFIXES, isId } from '@core/ids';
import { STATEMENT_STATES } from '@core/statements';
import {
  CloseDue,
  type IssuedStatement,
  ReadIssued,
  renderIssuedJson,
  renderStatementCsv,
  renderStatementJson,
} from '@features/statements';
import { Body, Controller, Headers, Param, Query, Res } from '@nestjs/common';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { idText, label, needs, PAGE, pageLimit, shown } from '../fields.js';
import { formOf, readStatement } from '../statement-shapes.js';

const issued = z.object({
  id: z.string(),
  number: z.string().describe('Without gaps, e.g. "S-000123".'),
  account: z.string(),
  asset: z.string(),
  period: z.object({ start: shown.time, end: shown.time, zone: z.string() }),
  issuedAt: shown.time,
  dueAt: shown.time,
  terms: z.string().describe('In words.'),
  state: z.enum(STATEMENT_STATES),
  opening: shown.signedAtomic,
  charges: shown.signedAtomic,
  payments: shown.signedAtomic,
  adjustments: shown.signedAtomic,
  closing: shown.signedAtomic.describe(
    'opening + charges - payments + adjustments: the balance of the ledger at its end.',
  ),
  due: shown.atomic.describe('What it asks for: what was on no statement before.'),
  paid: shown.atomic,
  credited: shown.atomic.describe('Taken off by credit notes.'),
  writtenOff: shown.atomic.describe('Given up.'),
  open: shown.atomic.describe('due - paid - credited - writtenOff.'),
  contentHash: z.string().describe('SHA-256 of what it says, hex.'),
  version: z.int().describe('Grows with every change of its state or sums.'),
});

const listed = z.object({ data: z.array(issued), next: shown.next });

const page = z.strictObject({ limit: pageLimit, cursor: idText(ID_PREFIXES.statement).optional() });
const filtered = page.extend({
  state: z.enum(STATEMENT_STATES).optional(),
  account: label().optional().describe('Id or name.'),
});
type Filtered = z.output<typeof filtered>;

const accountPath = z.strictObject({ id: label().describe('Id or name.') });
type AccountPath = z.output<typeof accountPath>;

const list: Operation = {
  method: 'GET',
  path: '/v1/statements',
  summary: 'List issued statements',
  area: 'finance',
  access: needs('finance'),
  query: filtered,
  answers: { 200: { description: 'A page, newest first.', schema: listed } },
};

const ofAccount: Operation = {
  method: 'GET',
  path: '/v1/accounts/:id/statements',
  summary: 'List the issued statements of an account',
  area: 'finance',
  access: needs('finance'),
  params: accountPath,
  query: page,
  answers: { 200: { description: 'A page, newest first.', schema: listed } },
};

const statementPath = z.strictObject({
  id: z
    .string()
    .refine(
      (text) => isId(text.replace(/\.(?:csv|json)$/, ''), ID_PREFIXES.statement),
      'must be an id that begins with stm_',
    )
    .describe('With .csv or .json to say the form.'),
});

const read: Operation = {
  method: 'GET',
  path: '/v1/statements/:id',
  summary: 'An issued statement with its lines',
  description:
    'JSON, or CSV where the path ends in .csv or `Accept: text/csv` is sent. Its lines are read from the ledger and held against what was issued.',
  area: 'finance',
  access: needs('finance'),
  params: statementPath,
  answers: { 200: { description: 'The statement.', schema: readStatement.extend({ issued }) } },
};

const closing = z.strictObject({
  account: idText(ID_PREFIXES.account).optional().describe('All accounts when absent.'),
});
type Closing = z.output<typeof closing>;

const close: Operation = {
  method: 'POST',
  path: '/v1/statements/close',
  summary: 'Close the billing periods that are over',
  description:
    'Those whose end and grace have passed: rates what waits, issues statements, and begins the next periods. A schedule does the same; repeating it issues nothing twice.',
  area: 'finance',
  access: needs('finance'),
  body: closing,
  idempotency: 'repeatable',
  answers: {
    200: {
      description: 'What was done.',
      schema: z.object({
        closed: z.int().describe('Periods.'),
        issued: z.int().describe('Statements; a period in which nothing moved and nothing is owed has none.'),
        failed: z.int().describe('Accounts that wait, as their usage could not be rated.'),
      }),
    },
  },
};

export const issuedStatementOperations = [list, ofAccount, read, close];

@Controller()
export class IssuedStatementsController {
  constructor(
    private readonly statements: ReadIssued,
    private readonly closeDue: CloseDue,
  ) {}

  @Serves(list)
  async list(@By() { provider }: Caller, @Query() { state, account, cursor, limit = PAGE }: Filtered) {
    return pageOf(await this.statements.list({ provider, account, state, after: cursor, limit }), limit);
  }

  @Serves(ofAccount)
  async ofAccount(
    @By() { provider }: Caller,
    @Param() { id }: AccountPath,
    @Query() { cursor, limit = PAGE }: z.output<typeof page>,
  ) {
    return pageOf(await this.statements.list({ provider, account: id, after: cursor, limit }), limit);
  }

  @Serves(read)
  async read(
    @By() { provider }: Caller,
    @Param('id') named: string,
    @Headers('accept') accept: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { name: statement, form } = formOf(named, accept);
    const found = await this.statements.run({ provider, statement });
    void reply.header('cache-control', 'private, no-store').header('vary', 'accept');
    if (form === 'json') return renderStatementJson(found);
    void reply
      .type('text/csv; charset=utf-8; header=present')
      .header('content-disposition', `attachment; filename="${found.issued?.number ?? statement}.csv"`);
    return renderStatementCsv(found);
  }

  @Serves(close)
  async close(@By() { provider }: Caller, @Body() { account }: Closing) {
    return this.closeDue.only({ provider, account });
  }
}

const pageOf = (found: readonly IssuedStatement[], limit: number) => ({
  data: found.map(renderIssuedJson),
  next: found.length === limit ? (found.at(-1)?.id ?? null) : null,
});
