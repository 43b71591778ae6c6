import { LEDGER_CODES, normalSide } from '@core/ledger';
import { LedgerReader } from '@features/ledger';
import { Controller, Query } from '@nestjs/common';
import { Database } from '@platform/database';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import { z } from 'zod';
import { idText, needs, shown } from '../fields.js';

const filter = z.strictObject({ account: idText('acct').optional() });
type Filter = z.output<typeof filter>;

const balances: Operation = {
  method: 'GET',
  path: '/v1/ledger/balances',
  summary: 'Balances of the ledger',
  description:
    'Every ledger account that ever moved, in order of its code. Debits and credits of an asset are equal over all of them.',
  area: 'ledger',
  access: needs('finance'),
  query: filter,
  answers: {
    200: {
      description: 'One line per ledger account.',
      schema: z.object({
        data: z.array(
          z.object({
            code: z.string(),
            name: z.string(),
            asset: z.string(),
            account: z.string().optional().describe('The agent’s account, for receivables.'),
            detail: z.string().optional().describe('The meter of a revenue account, the address of a wallet.'),
            debits: shown.atomic,
            credits: shown.atomic,
            balance: shown.signedAtomic.describe('On the side where such a ledger account normally stands.'),
          }),
        ),
      }),
    },
  },
};

export const ledgerOperations = [balances];

@Controller()
export class LedgerController {
  constructor(
    private readonly database: Database,
    private readonly ledger: LedgerReader,
  ) {}

  @Serves(balances)
  async balances(@By() caller: Caller, @Query() query: Filter) {
    const rows = await this.database.forProvider(caller.provider, (tx) =>
      this.ledger.balances(tx, query.account === undefined ? {} : { account: query.account }),
    );
    return {
      data: rows.map(({ code, asset, account, detail, debits, credits }) => ({
        code,
        name: LEDGER_CODES[code].name,
        asset,
        account,
        detail: detail === '' ? undefined : detail,
        debits: debits.toString(),
        credits: credits.toString(),
        balance: (normalSide(code) === 'debit' ? debits - credits : credits - debits).toString(),
      })),
    };
  }
}
