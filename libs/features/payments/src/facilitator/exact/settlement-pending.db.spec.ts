import { randomBytes } from 'node:crypto';
import { decodeSettlementResponse, exactPayloadOf, type PaymentRequirements } from '@core/x402';
import { ANSWER, PaidPath, paymentOf, replyOf, USDC } from '../../../../../../test/support/paid-path.js';
import { Payer } from '../../../../../../test/support/payer.js';

describe('a settlement that takes longer than anyone waits', () => {
  let path: PaidPath;

  beforeAll(async () => {
    path = await PaidPath.open();
  });

  afterAll(() => path.close());

  /** What the settler writes once it has signed a transfer, and once that is in a block. */
  const send = async (payment: string, hash: Buffer): Promise<void> => {
    await path.owner.query("UPDATE payments SET state = 'settling' WHERE id = $1", [payment]);
    await path.owner.query('UPDATE payments SET transaction = $2, submitted_at = now() WHERE id = $1', [payment, hash]);
  };
  const include = (payment: string) =>
    path.owner.query(
      "UPDATE payments SET state = 'included', log_index = 1, block_number = 7, block_hash = $2, included_at = now() WHERE id = $1",
      [payment, randomBytes(32)],
    );

  async function facilitated(): Promise<{ body: unknown; payer: Payer }> {
    const payer = new Payer();
    const paymentRequirements: PaymentRequirements = {
      scheme: 'exact',
      network: USDC.network,
      amount: '1000',
      asset: USDC.displayAddress,
      payTo: path.payTo,
      maxTimeoutSeconds: 300,
      extra: { name: USDC.domain.name, version: USDC.domain.version },
    };
    const authorization = await payer.accept(paymentRequirements, path.seconds());
    return {
      payer,
      body: {
        x402Version: 2,
        paymentPayload: {
          x402Version: 2,
          accepted: paymentRequirements,
          payload: { ...exactPayloadOf(authorization) },
        },
        paymentRequirements,
      },
    };
  }

  it('is pending with the hash of the one transfer, whoever is asked and however often, until the chain has it', async () => {
    const { body, payer } = await facilitated();
    // Nothing was signed yet: there is no hash to watch, so neither pending nor failed would be true.
    for (const through of [path.a, path.b]) {
      await expect(through.settleFacilitated.run(body)).rejects.toMatchObject({
        code: 'unavailable',
        reason: 'settlement_not_sent_yet',
        retryAfterSeconds: 5,
      });
    }
    const { rows } = await path.owner.query<{ id: string; state: string }>(
      'SELECT id, state FROM payments WHERE payer = $1',
      [payer.address],
    );
    expect(rows).toEqual([{ id: expect.stringMatching(/^pay_/), state: 'served' }]);
    const [{ id } = { id: '' }] = rows;

    const hash = randomBytes(32);
    await send(id, hash);
    const transaction = `0x${hash.toString('hex')}`;
    for (const through of [path.a, path.b, path.a]) {
      expect(await through.settleFacilitated.run(body)).toMatchObject({
        success: false,
        errorReason: 'settlement_pending',
        transaction,
      });
    }
    await include(id);
    for (const through of [path.a, path.b]) {
      expect(await through.settleFacilitated.run(body)).toMatchObject({ success: true, transaction });
    }
    const claims = await path.owner.query('SELECT 1 FROM payments WHERE payer = $1', [payer.address]);
    expect(claims.rowCount).toBe(1);
  });

  it('is pending at the gate too: no PAYMENT-RESPONSE before there is a hash, and the hash from then on', async () => {
    const signed = await path.signed();
    const { id: payment } = paymentOf(await path.check({ paymentSignature: signed.header }));
    // As if its price asked for a block; the other process does not remember otherwise.
    await path.owner.query("UPDATE payments SET release = 'confirmed' WHERE id = $1", [payment]);
    const captured = await path.b.capture.run({ provider: path.provider, request: { payment, reply: ANSWER } });
    if (captured.decision !== 'withhold') throw new Error('the answer left before its payment');
    expect(captured.reply).toMatchObject({ status: 202, headers: { 'retry-after': '2' } });
    expect(captured.reply.headers).not.toHaveProperty('PAYMENT-RESPONSE');

    const hash = randomBytes(32);
    await send(payment, hash);
    const pending = replyOf(await path.check({ paymentSignature: signed.header }, path.b));
    expect(pending.status).toBe(202);
    expect(decodeSettlementResponse(pending.headers['PAYMENT-RESPONSE'] ?? '')).toMatchObject({
      ok: true,
      payload: { success: false, errorReason: 'settlement_pending', transaction: `0x${hash.toString('hex')}` },
    });

    await include(payment);
    const known = await path.check({ paymentSignature: signed.header });
    expect({ decision: known.decision, body: replyOf(known).body }).toEqual({ decision: 'replay', body: ANSWER.body });
  });
});
