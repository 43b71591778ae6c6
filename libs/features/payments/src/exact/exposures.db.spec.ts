import { ANSWER, PaidPath } from '../../../../../test/support/paid-path.js';
import { Payer } from '../../../../../test/support/payer.js';

describe('what is unsettled', () => {
  let path: PaidPath;

  beforeAll(async () => {
    path = await PaidPath.open();
  });

  afterAll(() => path.close());

  /** As the claims have it, and as the payments say. */
  async function sums(): Promise<{ kept: string; counted: string }> {
    const { rows } = await path.owner.query<{ kept: string; counted: string }>(
      `SELECT ((SELECT coalesce(sum(open), 0) FROM exposures) + (SELECT coalesce(sum(change), 0) FROM exposure_changes))::text AS kept,
        (SELECT coalesce(sum(amount), 0) FROM payments
          WHERE state IN ('reserved', 'served', 'settling', 'included') AND origin IN ('gate', 'facilitator'))::text AS counted`,
    );
    const [row] = rows;
    if (!row) throw new Error('no sums');
    return row;
  }

  async function claim(payer = new Payer(), through = path.a): Promise<string> {
    const { header } = await path.signed(payer);
    const decision = await path.check({ paymentSignature: header }, through);
    if (decision.decision !== 'serve') throw new Error(`not served: ${decision.decision}`);
    return decision.payment.id;
  }

  it('is kept to the unit through claim, capture, void and every end, and added up by the next claim', async () => {
    const payments = await Promise.all(
      Array.from({ length: 12 }, (_, i) => claim(undefined, i % 2 === 0 ? path.a : path.b)),
    );
    const provider = path.provider;
    await Promise.all([
      ...payments
        .slice(0, 8)
        .map((payment) => path.a.capture.run({ provider, request: { payment, reply: ANSWER } }).then(() => undefined)),
      ...payments.slice(8, 10).map((payment) => path.b.void.run({ provider, request: { payment } })),
    ]);
    expect(await sums()).toEqual({ kept: '40000', counted: '40000' });

    const move = (ids: readonly string[], change: string) =>
      path.owner.query(`UPDATE payments SET ${change} WHERE id = ANY ($1)`, [ids]);
    await move(payments.slice(10), "state = 'voided', voided_at = now(), void_reason = 'expired'");
    expect(await sums()).toEqual({ kept: '32000', counted: '32000' });

    await claim();
    const { rows } = await path.owner.query<{ open: string }>('SELECT open::text FROM exposures');
    // The claim added up what came before it; itself it is a change for the next one.
    expect(rows).toEqual([{ open: '32000' }]);
    expect(await sums()).toEqual({ kept: '36000', counted: '36000' });
  });

  it('lets the provider’s cap be reached and not passed, and room come back with what is let go', async () => {
    const { counted } = await sums();
    await path.owner.query('UPDATE providers SET exposure_cap_provider = $1', [BigInt(counted) + 12_000n]);
    const offered = await Promise.allSettled(
      Array.from({ length: 10 }, (_, i) => claim(undefined, i % 2 ? path.b : path.a)),
    );
    const claimed = offered.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    expect(claimed).toHaveLength(3);
    await expect(claim()).rejects.toThrow('not served');
    const [first = ''] = claimed;
    await path.a.void.run({ provider: path.provider, request: { payment: first } });
    await claim(undefined, path.b);
    await expect(claim()).rejects.toThrow('not served');
    const after = await sums();
    expect(after).toEqual({ kept: after.counted, counted: (BigInt(counted) + 12_000n).toString() });
  });
});
