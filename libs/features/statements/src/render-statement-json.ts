import { formatDecimal, fromAtomic } from '@core/money';
import type { ChargeLine, PaymentLine, StatementTotals } from '@core/statements';
import { formatInstant } from '@core/time';
import type { IssuedStatement } from './issued-statement.js';
import type { Statement } from './read-statement.js';

/** An amount as JSON carries it: atomic units, and whole units where the asset's decimal places are known. */
interface MoneyJson {
  readonly atomic: string;
  readonly amount?: string;
}

type Section = Statement['sections'][number];

/** The statement as an object of JSON values. Amounts and quantities are decimal strings, instants RFC 3339 in UTC. */
export function renderStatementJson(statement: Statement) {
  const { provider, account, period, readAt, status, sections, issued } = statement;
  return {
    ...(issued ? { issued: renderIssuedJson(issued) } : {}),
    provider,
    account,
    period: { start: formatInstant(period.start), end: formatInstant(period.end) },
    readAt: formatInstant(readAt),
    status,
    assets: sections.map((section) => ({
      asset: section.asset,
      ...(section.decimals === undefined ? {} : { decimals: section.decimals }),
      ...totalsJson(section.totals, section),
      lines: {
        charges: section.charges.map((line) => chargeJson(line, section)),
        payments: section.payments.map((line) => paymentJson(line, section)),
        adjustments: section.adjustments.map(({ postingKey, reason, reference, atomic, at }) => ({
          postingKey,
          reason,
          reference,
          at: formatInstant(at),
          amount: money(atomic, section),
        })),
      },
    })),
  };
}

/** What an issued statement is, without its lines. Amounts are atomic units of its asset. */
export const renderIssuedJson = (issued: IssuedStatement) => ({
  id: issued.id,
  number: issued.number,
  account: issued.account,
  asset: issued.asset,
  period: { start: formatInstant(issued.period.start), end: formatInstant(issued.period.end), zone: issued.zone },
  issuedAt: formatInstant(issued.issuedAt),
  dueAt: formatInstant(issued.dueAt),
  terms: termsOf(issued),
  state: issued.state,
  opening: issued.opening.toString(),
  charges: issued.charges.toString(),
  payments: issued.payments.toString(),
  adjustments: issued.adjustments.toString(),
  closing: issued.closing.toString(),
  due: issued.due.toString(),
  paid: issued.paid.toString(),
  credited: issued.credited.toString(),
  writtenOff: issued.writtenOff.toString(),
  open: issued.open.toString(),
  contentHash: issued.contentHash,
  version: issued.version,
});

/** In the words people write on invoices. */
export const termsOf = ({ issuedAt, dueAt }: IssuedStatement): string =>
  dueAt > issuedAt ? `net ${Math.floor((dueAt - issuedAt) / DAY_MS)} days` : 'due on issue';

const DAY_MS = 86_400_000;

export type IssuedStatementJson = ReturnType<typeof renderIssuedJson>;

export type StatementJson = ReturnType<typeof renderStatementJson>;

const money = (atomic: bigint, { decimals }: Section): MoneyJson => ({
  atomic: atomic.toString(),
  ...(decimals === undefined ? {} : { amount: formatDecimal(fromAtomic(atomic, decimals)) }),
});

const totalsJson = (totals: StatementTotals, section: Section) => ({
  opening: money(totals.opening, section),
  charges: money(totals.charges, section),
  payments: money(totals.payments, section),
  adjustments: money(totals.adjustments, section),
  closing: money(totals.closing, section),
});

function chargeJson(line: ChargeLine, section: Section) {
  return {
    kind: line.kind,
    ...(line.kind === 'metered'
      ? {
          charge: line.charge,
          ...(line.corrects === undefined ? {} : { corrects: line.corrects }),
          ...(line.name === undefined ? {} : { name: line.name }),
          serviceStart: formatInstant(line.service.start),
          serviceEnd: formatInstant(line.service.end),
        }
      : { calls: line.calls }),
    ...(line.meter ? { meter: line.meter } : {}),
    ...(line.price ? { price: line.price } : {}),
    quantity: formatDecimal(line.quantity),
    ...(line.unit === undefined ? {} : { unit: line.unit }),
    ...(line.kind === 'metered' && line.parts
      ? { parts: line.parts.map(({ kind, exact }) => ({ kind, amount: formatDecimal(exact) })) }
      : {}),
    amount: money(line.atomic, section),
  };
}

function paymentJson(line: PaymentLine, section: Section) {
  const { block, settledAt, atomic, at, ...rest } = line;
  return {
    ...rest,
    at: formatInstant(at),
    ...(block ? { block: { number: block.number.toString(), hash: block.hash } } : {}),
    ...(settledAt === undefined ? {} : { settledAt: formatInstant(settledAt) }),
    amount: money(atomic, section),
  };
}
