import { stringify } from 'csv-stringify/sync';
import { formatDecimal, fromAtomic } from '@core/money';
import type { ChargeLine, MeteredLine, PaymentLine } from '@core/statements';
import { formatInstant } from '@core/time';
import type { IssuedStatement } from './issued-statement.js';
import type { Statement } from './read-statement.js';
import { termsOf } from './render-statement-json.js';

type Section = Statement['sections'][number];

/** One table for all kinds of rows; `record` says which kind, and columns that do not apply are empty. */
const COLUMNS = [
  'record',
  'provider_name',
  'account_id',
  'account_name',
  'period_start',
  'period_end',
  'time_zone',
  'status',
  'asset',
  'line_id',
  'kind',
  'meter',
  'service_start',
  'service_end',
  'calls',
  'quantity',
  'unit',
  'unit_price',
  'price_version',
  'price_model',
  'corrects',
  'amount',
  'amount_atomic',
  'payment_id',
  'rail',
  'received_at',
  'payment_status',
  'payer',
  'payee',
  'network',
  'transaction_hash',
  'log_index',
  'block_number',
  'block_hash',
  'description',
  'statement_id',
  'statement_number',
  'issued_at',
  'due_at',
  'payment_terms',
  'content_hash',
] as const;

type Row = Partial<Record<(typeof COLUMNS)[number], string>>;

/** Text that a spreadsheet would take for a formula gets an apostrophe before it. Numbers of ours are never passed here. */
const text = (value: string): string => (/^[=+\-@\t\r]/.test(value) ? `'${value}` : value);

/**
 * The statement as CSV: RFC 4180, UTF-8, a header row, dot decimals, instants in UTC. Rows: one `header`; per asset an
 * opening `total`, its `charge`, `payment` and `adjustment` rows, and the other `total`s, closing last. Of an issued statement, what it asks
 * for and what became of that follows the closing.
 */
export function renderStatementCsv(statement: Statement): string {
  const { provider, account, period, status, sections, issued } = statement;
  const header: Row = {
    record: 'header',
    provider_name: text(provider.name),
    account_id: account.id,
    account_name: text(account.name ?? ''),
    period_start: formatInstant(period.start),
    period_end: formatInstant(period.end),
    time_zone: issued?.zone ?? 'UTC',
    status: issued?.state ?? status,
    ...(issued ? issuedCells(issued) : {}),
  };
  const rows = [
    header,
    ...sections.flatMap(sectionRows),
    ...sections.flatMap((section) => (issued ? standingRows(issued, section) : [])),
  ];
  return stringify(rows, { header: true, columns: [...COLUMNS], record_delimiter: 'windows' });
}

const issuedCells = (issued: IssuedStatement): Row => ({
  asset: issued.asset,
  statement_id: issued.id,
  statement_number: issued.number,
  issued_at: formatInstant(issued.issuedAt),
  due_at: formatInstant(issued.dueAt),
  payment_terms: termsOf(issued),
  content_hash: issued.contentHash,
});

const standingRows = ({ due, paid, credited, writtenOff, open }: IssuedStatement, section: Section): Row[] =>
  Object.entries({ due, paid, credited, written_off: writtenOff, open }).map(([kind, atomic]) => ({
    record: 'total',
    kind,
    ...money(atomic, section),
  }));

function sectionRows(section: Section): Row[] {
  const total = (kind: keyof Section['totals']): Row => ({
    record: 'total',
    kind,
    ...money(section.totals[kind], section),
  });
  return [
    total('opening'),
    ...section.charges.map((line) => chargeRow(line, section)),
    ...section.payments.map((line) => paymentRow(line, section)),
    ...section.adjustments.map((line): Row => ({
      record: 'adjustment',
      line_id: text(line.postingKey),
      received_at: formatInstant(line.at),
      description: text(line.reason),
      ...money(line.atomic, section),
    })),
    total('charges'),
    total('payments'),
    total('adjustments'),
    total('closing'),
  ];
}

const money = (atomic: bigint, { asset, decimals }: Section): Row => ({
  asset,
  amount: decimals === undefined ? '' : formatDecimal(fromAtomic(atomic, decimals)),
  amount_atomic: atomic.toString(),
});

function chargeRow(line: ChargeLine, section: Section): Row {
  return {
    record: 'charge',
    kind: line.kind,
    ...(line.kind === 'metered'
      ? {
          line_id: line.charge,
          corrects: line.corrects ?? '',
          description: text(describe(line)),
          service_start: formatInstant(line.service.start),
          service_end: formatInstant(line.service.end),
        }
      : { calls: String(line.calls) }),
    meter: text(line.meter?.name ?? ''),
    quantity: formatDecimal(line.quantity),
    unit: text(line.unit ?? ''),
    unit_price: line.price?.rate ?? '',
    price_version: line.price?.id ?? '',
    price_model: line.price?.model ?? '',
    ...money(line.atomic, section),
  };
}

/** What the amount is for beyond the meter: the item's name, and what the period's terms added or took off. */
const describe = ({ name, parts }: MeteredLine): string =>
  [
    ...(name === undefined ? [] : [name]),
    ...(parts ?? []).map(({ kind, exact }) => `${kind} ${formatDecimal(exact)}`),
  ].join('; ');

function paymentRow(line: PaymentLine, section: Section): Row {
  return {
    record: 'payment',
    kind: line.returned ? 'returned' : 'received',
    payment_id: line.payment,
    rail: line.rail,
    calls: String(line.calls),
    received_at: formatInstant(line.at),
    payment_status: line.state,
    payer: line.payer,
    payee: line.payTo,
    network: line.network,
    transaction_hash: line.transaction ?? '',
    log_index: line.logIndex === undefined ? '' : String(line.logIndex),
    block_number: line.block?.number.toString() ?? '',
    block_hash: line.block?.hash ?? '',
    description: text(line.resource),
    ...money(line.atomic, section),
  };
}
