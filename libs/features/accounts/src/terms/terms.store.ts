import { Fault } from '@core/faults';
import { assetId } from '@core/money';
import type { BillingPeriod } from '@core/time';
import { at, type Prisma, type Tx } from '@platform/database';
import { type AccountStanding, BILLING_RAILS, PAST_DUE, STANDINGS, type Terms } from './terms.js';

const PERIODS: readonly BillingPeriod[] = ['day', 'week', 'month'];

const oneOf = <Word extends string>(words: readonly Word[], text: string): Word => {
  const found = words.find((word) => word === text);
  if (found === undefined) throw new Fault('invariant_broken', `stored terms name "${text}"`);
  return found;
};

/** The terms of accounts, as rows. */
export class TermsStore {
  async of(tx: Tx, account: string): Promise<Terms | undefined> {
    const row = await tx.billingTerms.findUnique({ where: { accountId: account } });
    return row ? termsOf(row) : undefined;
  }

  async set(tx: Tx, provider: string, terms: Terms): Promise<void> {
    const data = {
      asset: terms.asset,
      period: terms.period,
      zone: terms.zone,
      graceSeconds: terms.graceSeconds,
      dueDays: terms.dueDays,
      rails: [...terms.rails],
      pastDue: terms.pastDue,
      periodStart: new Date(terms.current.start),
      periodEnd: new Date(terms.current.end),
      updatedAt: new Date(terms.updatedAt),
    };
    await tx.billingTerms.upsert({
      where: { accountId: terms.account },
      create: { accountId: terms.account, providerId: provider, ...data },
      update: data,
    });
  }

  async setStanding(tx: Tx, account: string, standing: AccountStanding): Promise<void> {
    await tx.billingTerms.updateMany({ where: { accountId: account }, data: { standing } });
  }

  /** Up to when the account's books are closed, if any statement of it was issued. */
  async closedUntil(tx: Tx, account: string): Promise<Date | undefined> {
    return (await tx.closedBooks.findUnique({ where: { accountId: account } }))?.closedUntil;
  }
}

const termsOf = (row: Prisma.BillingTermsGetPayload<object>): Terms => ({
  account: row.accountId,
  asset: assetId(row.asset),
  period: oneOf(PERIODS, row.period),
  zone: row.zone,
  graceSeconds: row.graceSeconds,
  dueDays: row.dueDays,
  rails: row.rails.map((rail) => oneOf(BILLING_RAILS, rail)),
  pastDue: oneOf(PAST_DUE, row.pastDue),
  standing: oneOf(STANDINGS, row.standing),
  current: { start: at(row.periodStart), end: at(row.periodEnd) },
  updatedAt: at(row.updatedAt),
});
