import { createHash } from 'node:crypto';
import { readUsageRecord } from '@core/records';
import { Writer } from '@platform/database';
import { checkSignature, Ed25519Keys } from '@platform/signing';
import { WalletScene } from '../../../../../test/model/wallet-scene.js';
import { ChannelPath } from '../../../../../test/support/channel-path.js';
import { ANSWER, PaidPath, paymentOf } from '../../../../../test/support/paid-path.js';
import type { Payments } from '../payments.js';
import { viewOfHold } from '../prepaid/hold-view.js';
import { ReadRecord } from './read-record.js';
import { RecordStore } from './record.store.js';

const keys = new Ed25519Keys(['77'.repeat(32)], 'https://farebox.example');

/** The record of a payment, its signature checked; and the text that was signed. */
async function recordOf(records: ReadRecord, payment: string) {
  const decision = await records.run(payment);
  if (decision.outcome !== 'signed') throw new Error(decision.outcome);
  const checked = await checkSignature(decision.jws, JSON.parse(JSON.stringify(keys.jwks())));
  if (!checked.ok) throw new Error(checked.message);
  const read = readUsageRecord(checked.document);
  if (!read.ok) throw new Error(read.message);
  return { record: read.record, jws: decision.jws };
}

describe('the usage record of a payment', () => {
  const writers: Writer[] = [];

  const storeOn = (writerUrl: string): RecordStore => {
    const writer = new Writer(writerUrl, 2);
    writers.push(writer);
    return new RecordStore(writer);
  };
  const recordsOn = (writerUrl: string, payments: Pick<Payments, 'read'>): ReadRecord =>
    new ReadRecord(payments.read, storeOn(writerUrl), keys);

  afterAll(async () => {
    await Promise.all(writers.map((writer) => writer.close()));
  });

  it('of a signed transfer is the same bytes until its state changes, in every process', async () => {
    const path = await PaidPath.open();
    try {
      const [a, b] = [recordsOn(path.db.writerUrl, path.a), recordsOn(path.db.writerUrl, path.b)];
      const signed = await path.signed();
      const { id, account } = paymentOf(await path.check({ paymentSignature: signed.header }));
      const reserved = await recordOf(a, id);
      expect(reserved.record).toMatchObject({ settlement: { status: 'reserved' }, ledger: { entries: [] } });
      expect(reserved.record.charged).toBeUndefined();

      await path.a.capture.run({ provider: path.provider, request: { payment: id, reply: ANSWER } });
      const served = await recordOf(a, id);
      expect(served.record).toMatchObject({
        payment: id,
        provider: path.provider,
        account,
        payer: signed.authorization.from,
        way: 'exact',
        quote: { network: 'eip155:84532', payTo: path.payTo, ceiling: '4000' },
        usage: { meter: 'calls', quantity: '1', unit: 'calls' },
        price: { model: 'per_unit', definition: { rate: '0.004' }, assetDecimals: 6 },
        charged: '4000',
        settlement: { status: 'served' },
        ledger: { entries: [`capture:${id}`] },
      });
      expect((await recordOf(b, id)).jws).toBe(served.jws);
      expect((await recordOf(a, id)).jws).toBe(served.jws);
      expect(served.jws).not.toBe(reserved.jws);
    } finally {
      await path.close();
    }
  });

  it('of a voucher says what was used of its ceiling', async () => {
    const path = await ChannelPath.open();
    try {
      const asked = { url: 'https://api.example.com/hello', quantity: '10' };
      const header = await path.header(path.channel(100_000n), 40_000n, asked);
      const { id } = paymentOf(await path.check({ ...asked, paymentSignature: header }));
      await path.a.capture.run({ provider: path.provider, request: { payment: id, quantity: '2.5', reply: ANSWER } });
      const { record } = await recordOf(recordsOn(path.db.writerUrl, path.a), id);
      expect(record).toMatchObject({
        way: 'batch-settlement',
        quote: { ceiling: '40000' },
        usage: { quantity: '2.5' },
        charged: '10000',
        settlement: { status: 'served' },
        ledger: { entries: [`capture:${id}`] },
      });
    } finally {
      await path.close();
    }
  });

  it('of a hold says what was taken from the balance', async () => {
    const scene = await WalletScene.open();
    try {
      await scene.give(100n);
      const digest = createHash('sha256').update('GET …').digest();
      const { id } = await scene.held(30n, { fingerprint: digest.toString('base64url') });
      await scene.capture({ id }, 20n);
      const views = {
        run: async (hold: string) => {
          const stored = await scene.a.find(hold);
          return stored && viewOfHold(stored, 'https://farebox.example');
        },
      };
      const { record } = await recordOf(new ReadRecord(views, storeOn(scene.db.writerUrl), keys), id);
      expect(record).toMatchObject({
        way: 'prepaid',
        account: scene.account,
        quote: { digest: digest.toString('hex'), network: 'farebox:prepaid', ceiling: '30' },
        charged: '20',
        settlement: { status: 'final' },
        ledger: { entries: [`capture:${id}`] },
      });
      expect(record.servedAt).toBeDefined();
    } finally {
      await scene.close();
    }
  });

  it('tells what is missing: a payment, or a key to sign with', async () => {
    const path = await PaidPath.open();
    try {
      const unknown = `pay_${'0'.repeat(32)}`;
      expect(await recordsOn(path.db.writerUrl, path.a).run(unknown)).toEqual({ outcome: 'unknown_payment' });
      expect(await recordsOn(path.db.writerUrl, path.a).run('nonsense')).toEqual({ outcome: 'unknown_payment' });
      expect(await new ReadRecord(path.a.read, storeOn(path.db.writerUrl), undefined).run(unknown)).toEqual({
        outcome: 'no_signing_key',
      });
    } finally {
      await path.close();
    }
  });
});
