import { type Account, CreateAccount, ListAccounts, ReadAccount } from '@features/accounts';
import { LedgerReader } from '@features/ledger';
import { Body, Controller, Param, Query, Res } from '@nestjs/common';
import { Database } from '@platform/database';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { idText, label, needs, PAGE, pageLimit, shown, time } from '../fields.js';

const account = z.object({
  id: z.string(),
  name: z.string().nullable().describe('Your own name for it; null when a wallet opened it by paying.'),
  wallets: z.array(z.string()).describe('Wallets that have proven to belong to it.'),
  createdAt: shown.time,
});

const view = ({ id, name, wallets, createdAt }: Account) => ({
  id,
  name: name ?? null,
  wallets,
  createdAt: time(createdAt),
});

const newAccount = z.strictObject({
  name: label()
    .optional()
    .describe('Your own name for it, unique among your accounts; usage events may use it as `subject`.'),
});
type NewAccount = z.output<typeof newAccount>;

const page = z.strictObject({ limit: pageLimit, cursor: idText('acct').optional() });
type Page = z.output<typeof page>;

const path = z.strictObject({ id: idText('acct') });

const list: Operation = {
  method: 'GET',
  path: '/v1/accounts',
  summary: 'List accounts',
  area: 'accounts',
  access: needs('read'),
  query: page,
  answers: {
    200: {
      description: 'A page, in order of opening.',
      schema: z.object({ data: z.array(account), next: shown.next }),
    },
  },
};

const create: Operation = {
  method: 'POST',
  path: '/v1/accounts',
  summary: 'Open an account',
  description:
    'With a name, repeating it answers the account of that name. A wallet is not linked here: it is linked by paying, or by a proof.',
  area: 'accounts',
  access: needs('manage'),
  body: newAccount,
  idempotency: 'once',
  answers: {
    201: { description: 'A new account.', schema: account },
    200: { description: 'The account of this name, opened before.', schema: account },
  },
};

const read: Operation = {
  method: 'GET',
  path: '/v1/accounts/:id',
  summary: 'Read an account',
  area: 'accounts',
  access: needs('read'),
  params: path,
  answers: { 200: { description: 'The account.', schema: account } },
};

const balance: Operation = {
  method: 'GET',
  path: '/v1/accounts/:id/balance',
  summary: 'What an account owes',
  description: 'From the ledger, exact at the instant of the answer.',
  area: 'accounts',
  access: needs('read'),
  params: path,
  answers: {
    200: {
      description: 'One line per asset that ever moved.',
      schema: z.object({
        account: z.string(),
        balances: z.array(
          z.object({
            asset: z.string(),
            owed: shown.signedAtomic.describe('What the account owes; negative: what it is owed.'),
          }),
        ),
      }),
    },
  },
};

export const accountOperations = [list, create, read, balance];

@Controller()
export class AccountsController {
  constructor(
    private readonly listAccounts: ListAccounts,
    private readonly createAccount: CreateAccount,
    private readonly readAccount: ReadAccount,
    private readonly ledger: LedgerReader,
    private readonly database: Database,
  ) {}

  @Serves(list)
  async list(@By() caller: Caller, @Query() query: Page) {
    const { accounts, next } = await this.listAccounts.run({
      provider: caller.provider,
      after: query.cursor,
      limit: query.limit ?? PAGE,
    });
    return { data: accounts.map(view), next: next ?? null };
  }

  @Serves(create)
  async create(@By() caller: Caller, @Body() body: NewAccount, @Res({ passthrough: true }) reply: FastifyReply) {
    const { outcome, account: opened } = await this.createAccount.run({ provider: caller.provider, name: body.name });
    void reply.code(outcome === 'created' ? 201 : 200);
    return view(opened);
  }

  @Serves(read)
  async read(@By() caller: Caller, @Param('id') id: string) {
    return view(await this.readAccount.run({ provider: caller.provider, account: id }));
  }

  @Serves(balance)
  async balance(@By() caller: Caller, @Param('id') id: string) {
    return this.database.forProvider(caller.provider, async (tx) => {
      await this.readAccount.within(tx, id);
      const rows = await this.ledger.balances(tx, { account: id });
      const owed = rows.filter(({ code }) => code === '1110');
      return {
        account: id,
        balances: owed.map(({ asset, debits, credits }) => ({ asset, owed: (debits - credits).toString() })),
      };
    });
  }
}
