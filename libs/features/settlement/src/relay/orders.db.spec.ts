import pg from 'pg';
import type { RelayOrder } from '@core/settlement';
import type { Hex } from '@core/x402';
import { Writer } from '@platform/database';
import { SystemIds } from '@platform/system';
import { createTestDatabase, seedProvider, type TestDatabase } from '../../../../../test/support/database.js';
import { orderOf, orderText } from './order-body.js';
import { PlaceOrder } from './place-order.js';

const address = (digit: string): Hex => `0x${digit.repeat(40)}`;
const word = (digit: string): Hex => `0x${digit.repeat(64)}`;
const config = {
  payer: address('1'),
  payerAuthorizer: address('1'),
  receiver: address('2'),
  receiverAuthorizer: address('3'),
  token: address('4'),
  withdrawDelay: 900,
  salt: word('0'),
};
const row = {
  config,
  voucher: { channelId: word('a'), maxClaimable: 2n ** 127n, signature: word('5') },
  totalClaimed: 300n,
};
const refund = (amount: bigint): RelayOrder => ({
  kind: 'refund',
  channelId: word('a'),
  config,
  amount,
  nonce: 2n ** 200n,
  claim: row,
  signatures: { refund: word('6'), claim: word('7') },
});

describe('orders as they are kept', () => {
  let db: TestDatabase;
  let owner: pg.Pool;
  let writer: Writer;
  let orders: PlaceOrder;
  let provider: string;

  beforeAll(async () => {
    db = await createTestDatabase();
    owner = new pg.Pool({ connectionString: db.ownerUrl, max: 2 });
    writer = new Writer(db.writerUrl, 4);
    orders = new PlaceOrder(writer, new SystemIds());
    ({ provider } = await seedProvider(db));
  });

  afterAll(async () => {
    await Promise.all([writer.close(), owner.end()]);
    await db.drop();
  });

  const place = (order: RelayOrder) => orders.run({ provider, chainId: 1, order, sinceBlock: 7n });

  it.each<[string, RelayOrder]>([
    [
      'deposit',
      {
        ...{ kind: 'deposit', channelId: word('a'), config, amount: 10n, nonce: word('b'), collector: address('c') },
        authorization: { method: 'eip3009', validAfter: 0n, validBefore: 9n, salt: word('d'), signature: word('e') },
      },
    ],
    ['claim', { kind: 'claim', rows: [row, row], signature: word('8') }],
    ['settle', { kind: 'settle', receiver: address('2'), token: address('4'), total: 2n ** 100n }],
    ['refund', refund(5n)],
    ['refund without a claim', { ...refund(5n), claim: undefined } as RelayOrder],
  ])('come back as they went in: %s', async (_name, order) => {
    const { rows } = await owner.query<{ body: Parameters<typeof orderOf>[0] }>('SELECT $1::jsonb AS body', [
      orderText(order),
    ]);
    expect(rows.map(({ body }) => orderOf(body))).toEqual([order]);
  });

  it('are one for all who ask at once, and not the same with another content', async () => {
    const placed = await Promise.all(Array.from({ length: 8 }, () => place(refund(5n))));
    expect(new Set(placed.map(({ order }) => order.id)).size).toBe(1);
    expect(placed.filter(({ outcome }) => outcome === 'placed')).toHaveLength(1);
    expect(await place(refund(6n))).toMatchObject({ outcome: 'exists', same: false });
  });

  it('never change what they ask for, and end once', async () => {
    const change = (set: string) => writer.query(`UPDATE relay_orders SET ${set}`);
    await expect(change("body = '{}'::jsonb")).rejects.toThrow('nor ask for something else');
    await expect(change("provider_id = 'prv_other'")).rejects.toThrow('nor ask for something else');
    await expect(
      change("state = 'done', moved = 0, seen_block = 1, included_at = now(), ended_at = now()"),
    ).rejects.toThrow('cannot go from open to done');
    await expect(owner.query('DELETE FROM relay_orders')).rejects.toThrow('append-only');
    await change("state = 'failed', reason = 'x', ended_at = now()");
    await expect(change("state = 'open', reason = NULL, ended_at = NULL")).rejects.toThrow(
      'cannot go from failed to open',
    );
    // What failed may be asked for again, by a new order.
    expect(await place(refund(6n))).toMatchObject({ outcome: 'placed', order: { state: 'open' } });
  });
});
