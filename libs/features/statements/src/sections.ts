import { Fault } from '@core/faults';
import { type Meter, quantityUnit } from '@core/metering';
import { type AssetId, ZERO, addDecimals } from '@core/money';
import {
  type AdjustmentLine,
  type LineSubject,
  type MeteredLine,
  type PaidLine,
  type PaymentLine,
  type PostingKind,
  type StatementSection,
  buildStatement,
  postingKind,
} from '@core/statements';
import { MeterReader } from '@features/metering';
import { type Charge, ChargeReader, PriceBook, type StoredPrice } from '@features/pricing';
import type { Tx } from '@platform/database';
import { inChunks, type Movement, type PaymentDetail, type PeriodSnapshot, StatementStore } from './statement.store.js';

/** An account's period in one asset. `decimals`: of the asset, where they are known. */
export type PeriodSection = StatementSection & { readonly decimals: number | undefined };

type Kinded<Kind extends PostingKind['kind']> = {
  readonly movement: Movement;
  readonly posting: Extract<PostingKind, { kind: Kind }>;
};

export interface Details {
  readonly charges: ReadonlyMap<string, Charge>;
  readonly payments: ReadonlyMap<string, PaymentDetail>;
  readonly meters: ReadonlyMap<string, Meter>;
  readonly prices: ReadonlyMap<string, StoredPrice>;
  readonly decimals: ReadonlyMap<AssetId, number>;
}

/** What the movements of a period are about. */
export class PeriodDetails {
  readonly #store = new StatementStore();
  readonly #meters = new MeterReader();
  readonly #book = new PriceBook();
  readonly #charges = new ChargeReader();

  async of(tx: Tx, { movements, changes }: PeriodSnapshot): Promise<Details> {
    const kinds = movements.map(({ postingKey, counter }) => postingKind(postingKey, counter));
    const payments = new Set(
      kinds.flatMap((kind) =>
        kind.kind === 'paid' || kind.kind === 'payment' || kind.kind === 'spent' ? [kind.payment] : [],
      ),
    );
    const charges = await inChunks(
      changes.map(({ charge }) => charge),
      async (some) => [...(await this.#charges.named(tx, some))],
    );
    const paid = await this.#store.payments(tx, [...payments]);
    const prices = await inChunks(
      [
        ...new Set([
          ...charges.map(([, { price }]) => price),
          ...[...paid.values()].flatMap(({ priceId }) => priceId ?? []),
        ]),
      ],
      async (some) => [...(await this.#book.named(tx, some))],
    );
    return {
      charges: new Map(charges),
      payments: paid,
      meters: new Map((await this.#meters.list(tx)).map((meter) => [meter.id, meter])),
      prices: new Map(prices),
      decimals: await this.#book.decimals(tx),
    };
  }
}

/** Of whatever moved, and of usage so small that it came to nothing yet. */
export const assetsOf = (snapshot: PeriodSnapshot, details: Details): AssetId[] =>
  [...new Set([...snapshot.closing.keys(), ...[...details.charges.values()].map(({ asset }) => asset)])].sort();

export function sectionOf(asset: AssetId, snapshot: PeriodSnapshot, details: Details): PeriodSection {
  const moved = snapshot.movements
    .filter((movement) => movement.asset === asset)
    .map((movement) => ({ movement, posting: postingKind(movement.postingKey, movement.counter) }));
  const of = <Kind extends PostingKind['kind']>(kind: Kind) =>
    moved.filter((each): each is Kinded<Kind> => each.posting.kind === kind);
  const section = buildStatement(
    {
      asset,
      opening: snapshot.opening.get(asset) ?? 0n,
      charges: [...meteredLines(asset, of('metered'), snapshot, details), ...paidLines(of('paid'), details)],
      payments: [...paymentLines(of('payment'), of('spent'), details), ...of('collected').map(collectedLine)],
      adjustments: of('adjustment').map(({ movement }): AdjustmentLine => movement),
    },
    snapshot.closing.get(asset) ?? 0n,
  );
  return { ...section, decimals: details.decimals.get(asset) };
}

/** What the ledger moved for a charge must be what the revisions of the charge changed: else one of them is wrong. */
function meteredLines(
  asset: AssetId,
  moved: readonly Kinded<'metered'>[],
  { changes }: PeriodSnapshot,
  details: Details,
): MeteredLine[] {
  const posted = new Map<string, bigint>();
  for (const { movement, posting } of moved)
    posted.set(posting.charge, (posted.get(posting.charge) ?? 0n) + movement.atomic);
  const lines = changes.flatMap((change): MeteredLine[] => {
    const charge = details.charges.get(change.charge);
    if (charge?.asset !== asset) return [];
    const atomic = posted.get(change.charge) ?? 0n;
    if (atomic !== change.atomic)
      disagree(`charge ${change.charge} changed by ${change.atomic} and its transfers by ${atomic}`);
    posted.delete(change.charge);
    return [
      {
        kind: 'metered',
        charge: change.charge,
        ...subjectOf(charge.meter === '' ? undefined : charge.meter, charge.price, details),
        ...aboutCharge(charge, details),
        service: charge.service,
        quantity: change.quantity,
        atomic,
      },
    ];
  });
  const unexplained = [...posted.keys()];
  if (unexplained.length > 0) disagree(`transfers of ${unexplained.join(', ')} have no revision of a charge`);
  return lines
    .filter(({ quantity, atomic }) => quantity.units !== 0n || atomic !== 0n)
    .sort((a, b) => a.service.start - b.service.start || (a.charge < b.charge ? -1 : 1));
}

/** What a plan asks across its items has no name of its own. */
const ACROSS_ITEMS = 'plan';

function aboutCharge(charge: Charge, { prices }: Details): Pick<MeteredLine, 'corrects' | 'name' | 'parts'> {
  const plain = charge.lines.every(({ kind }) => kind === 'usage');
  return {
    ...(charge.corrects === undefined ? {} : { corrects: charge.corrects }),
    ...(charge.meter === '' ? { name: prices.get(charge.price)?.name ?? ACROSS_ITEMS } : {}),
    ...(plain ? {} : { parts: charge.lines.map(({ kind, exact }) => ({ kind, exact })) }),
  };
}

function paidLines(moved: readonly Kinded<'paid'>[], details: Details): PaidLine[] {
  const lines = new Map<string, PaidLine>();
  for (const { movement, posting } of moved) {
    const payment = paymentOf(posting.payment, details);
    const key = `${payment.meterId} ${payment.priceId}`;
    const line = lines.get(key);
    lines.set(key, {
      kind: 'paid',
      ...subjectOf(payment.meterId, payment.priceId, details),
      calls: (line?.calls ?? 0) + 1,
      quantity: addDecimals(line?.quantity ?? ZERO, payment.quantity ?? ZERO),
      atomic: (line?.atomic ?? 0n) + movement.atomic,
    });
  }
  return [...lines.values()];
}

/** Transfers one by one; what the vouchers of a channel and what a grant paid, in one line each. */
function paymentLines(
  paid: readonly Kinded<'payment'>[],
  spent: readonly Kinded<'spent'>[],
  details: Details,
): PaymentLine[] {
  const lines: PaymentLine[] = [];
  const together = new Map<string, PaymentLine>();
  const add = (name: string, line: PaymentLine): void => {
    const before = together.get(name);
    const sum = { atomic: line.atomic + (before?.atomic ?? 0n), calls: line.calls + (before?.calls ?? 0) };
    together.set(name, { ...line, ...sum, payment: name, resource: '' });
  };
  for (const each of paid) {
    const { channel } = paymentOf(each.posting.payment, details);
    const line = paymentLine(each, details);
    if (channel === undefined) lines.push(line);
    else add(channel, line);
  }
  for (const { movement, posting } of spent) {
    const { grant, payment } = posting;
    add(grant, paymentLine({ movement, posting: { kind: 'payment', payment, returned: false } }, details));
  }
  return [...lines, ...together.values()];
}

function paymentLine({ movement, posting }: Kinded<'payment'>, details: Details): PaymentLine {
  const { rail, state, resource, network, payer, payTo, transaction, logIndex, block, settledAt } = paymentOf(
    posting.payment,
    details,
  );
  return {
    payment: posting.payment,
    rail,
    calls: 1,
    returned: posting.returned,
    // A payment lowers what is owed, so its movement of the receivable is negative.
    atomic: -movement.atomic,
    at: movement.at,
    state,
    resource,
    network,
    payer,
    payTo,
    ...(transaction === undefined ? {} : { transaction }),
    ...(logIndex === undefined ? {} : { logIndex }),
    ...(block === undefined ? {} : { block }),
    ...(settledAt === undefined ? {} : { settledAt }),
  };
}

/** By what it was collected is told by what collected it, which its reference names. */
const collectedLine = ({ movement, posting }: Kinded<'collected'>): PaymentLine => ({
  payment: movement.reference,
  rail: posting.rail,
  calls: 0,
  returned: movement.atomic > 0n,
  atomic: -movement.atomic,
  at: movement.at,
  state: movement.reason,
  resource: '',
  network: '',
  payer: '',
  payTo: '',
});

function subjectOf(meterId: string | undefined, priceId: string | undefined, { meters, prices }: Details): LineSubject {
  const meter = meterId === undefined ? undefined : meters.get(meterId);
  const price = priceId === undefined ? undefined : prices.get(priceId);
  return {
    ...(meter ? { meter: { id: meter.id, name: meter.name }, unit: quantityUnit(meter) } : {}),
    ...(price ? { price: { id: price.id, rate: rateOf(price), model: price.terms.model } } : {}),
  };
}

function rateOf({ terms }: StoredPrice): string {
  const { rate } = terms.definition;
  return terms.model === 'per_unit' && typeof rate === 'string' ? rate : '';
}

function paymentOf(id: string, { payments }: Details): PaymentDetail {
  return payments.get(id) ?? disagree(`the ledger names payment ${id}, which does not exist`);
}

export function disagree(what: string): never {
  throw new Fault('invariant_broken', what, { reason: 'statement_disagrees' });
}
