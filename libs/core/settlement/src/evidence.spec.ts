import fc from 'fast-check';
import { type Hex, UPTO_CONTRACTS } from '@core/x402';
import { evidenceIn } from './evidence.js';
import type { ExpectedTransfer, Receipt, TokenEvent } from './rail.js';

const bytes = (length: number): fc.Arbitrary<Hex> =>
  fc
    .uint8Array({ minLength: length, maxLength: length })
    .map((array): Hex => `0x${Buffer.from(array).toString('hex')}`);
const address = bytes(20);
const expected: fc.Arbitrary<ExpectedTransfer> = fc.record({
  token: address,
  payer: address,
  payTo: address,
  nonce: bytes(32),
  value: fc.bigInt(1n, 10n ** 12n),
});

const receipt = (events: readonly TokenEvent[], success = true): Receipt => ({
  hash: '0x01',
  success,
  block: { number: 1n, hash: '0x02' },
  gasUsed: 1n,
  gasPrice: 1n,
  dataFee: 0n,
  events,
});

/** What the token writes when it carries out an authorization. */
const paidBy = (item: ExpectedTransfer, at: number): TokenEvent[] => [
  { kind: 'used', token: item.token, payer: item.payer, nonce: item.nonce, logIndex: at },
  { kind: 'transfer', token: item.token, from: item.payer, to: item.payTo, value: item.value, logIndex: at + 1 },
];

describe('evidence of a payment', () => {
  it('is both events, one right after the other, wherever they stand among others', () => {
    fc.assert(
      fc.property(fc.array(expected, { minLength: 1, maxLength: 20 }), (items) => {
        const judge = evidenceIn(receipt(items.flatMap((item, i) => paidBy(item, 7 + i * 2))));
        items.forEach((item, i) => expect(judge(item)).toEqual({ kind: 'paid', logIndex: 8 + i * 2 }));
      }),
    );
  });

  it('is not in a transaction that failed', () => {
    fc.assert(
      fc.property(expected, (item) => {
        expect(evidenceIn(receipt(paidBy(item, 0), false))(item)).toEqual({ kind: 'absent' });
      }),
    );
  });

  it('is not the use alone, nor a transfer with anything else than was signed for', () => {
    const change = fc.constantFrom('token', 'from', 'to', 'value', 'gone', 'apart');
    fc.assert(
      fc.property(expected, address, change, (item, other, what) => {
        fc.pre(![item.token, item.payer, item.payTo].includes(other));
        const [used, moved] = paidBy(item, 0);
        if (!used || moved?.kind !== 'transfer') throw new Error('not the two events');
        const altered: Record<string, TokenEvent[]> = {
          token: [{ ...moved, token: other }],
          from: [{ ...moved, from: other }],
          to: [{ ...moved, to: other }],
          value: [{ ...moved, value: moved.value + 1n }],
          gone: [],
          apart: [{ ...moved, logIndex: 2 }],
        };
        expect(evidenceIn(receipt([used, ...(altered[what] ?? [])]))(item)).toEqual({ kind: 'otherwise' });
      }),
    );
  });

  it('is not a cancellation, though a transfer follows it', () => {
    fc.assert(
      fc.property(expected, (item) => {
        const [used, moved] = paidBy(item, 0);
        if (used?.kind !== 'used' || !moved) throw new Error('not the two events');
        expect(evidenceIn(receipt([{ ...used, kind: 'canceled' }, moved]))(item)).toEqual({ kind: 'otherwise' });
      }),
    );
  });

  it('never proves two payments by one transfer', () => {
    fc.assert(
      fc.property(expected, bytes(32), (item, nonce) => {
        fc.pre(nonce !== item.nonce);
        const second = { ...item, nonce };
        const [used, moved] = paidBy(item, 1);
        if (!used || !moved) throw new Error('not the two events');
        const events: TokenEvent[] = [
          { kind: 'used', token: item.token, payer: item.payer, nonce, logIndex: 0 },
          used,
          moved,
        ];
        const judge = evidenceIn(receipt(events));
        expect([judge(item).kind, judge(second).kind]).toEqual(['paid', 'otherwise']);
      }),
    );
  });

  it('of a ceiling is its transfer in a transaction of the key it names to the proxy, and in no other', () => {
    fc.assert(
      fc.property(expected, address, fc.nat(), (item, facilitator, salt) => {
        const ceiling = { ...item, ceiling: { nonce: BigInt(salt), facilitator } };
        const [, moved] = paidBy(item, 3);
        if (!moved) throw new Error('a transfer was made');
        const settled = { ...receipt([moved]), sender: facilitator, target: UPTO_CONTRACTS.proxy };
        expect(evidenceIn(settled)(ceiling)).toEqual({ kind: 'paid', logIndex: 4 });
        expect(evidenceIn(settled)({ ...ceiling, value: item.value + 1n })).toEqual({ kind: 'otherwise' });
        expect(evidenceIn({ ...settled, events: [] })(ceiling)).toEqual({ kind: 'otherwise' });
        for (const other of [
          { ...settled, sender: item.payer },
          { ...settled, target: item.token },
          { ...settled, success: false },
        ]) {
          expect(evidenceIn(other)({ ...ceiling, payer: item.payer })).toEqual({ kind: 'absent' });
        }
      }),
    );
  });
});
