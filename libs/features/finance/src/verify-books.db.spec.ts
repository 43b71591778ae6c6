import { Auditor } from '@platform/database';
import { ANSWER, PaidPath, paymentOf } from '../../../../test/support/paid-path.js';
import { VerifyBooks } from './index.js';

/** A break, planted as the owner of the tables, and the invariant that has to notice it. */
const PLANTED: readonly (readonly [invariant: string, what: string, plant: string, mend: string])[] = [
  [
    'L2',
    'a service role that may change transfers',
    'GRANT UPDATE ON transfers TO farebox_app',
    'REVOKE UPDATE ON transfers FROM farebox_app',
  ],
  [
    'L2',
    'a guard that is off',
    'ALTER TABLE transfers DISABLE TRIGGER append_only',
    'ALTER TABLE transfers ENABLE TRIGGER append_only',
  ],
  [
    'L3',
    'a stored balance that is off by one unit',
    "INSERT INTO ledger_balances SELECT id, provider_id, 1, 0, 0 FROM ledger_accounts WHERE code = '1025'",
    'DELETE FROM ledger_balances',
  ],
  [
    'L4',
    'value in transit that no payment explains',
    `SELECT post_transfers(jsonb_build_array(jsonb_build_object('provider', provider_id, 'entry', 'x', 'key', 'x:1', 'debitCode', '1025', 'debitAccount', NULL,
      'debitDetail', '', 'creditCode', '4010', 'creditAccount', NULL, 'creditDetail', 'calls', 'asset', asset, 'amount', '1', 'reason', 'x', 'reference', 'x')))
      FROM ledger_accounts WHERE code = '1025'`,
    `SELECT post_transfers(jsonb_build_array(jsonb_build_object('provider', provider_id, 'entry', 'x', 'key', 'x:2', 'debitCode', '4010', 'debitAccount', NULL,
      'debitDetail', 'calls', 'creditCode', '1025', 'creditAccount', NULL, 'creditDetail', '', 'asset', asset, 'amount', '1', 'reason', 'x', 'reference', 'x')))
      FROM ledger_accounts WHERE code = '1025'`,
  ],
  [
    'C2',
    'a delivery without its usage',
    "BEGIN; SET LOCAL session_replication_role = 'replica'; UPDATE usage_log SET body = replace(body, '\"pay_', '\"gone_') WHERE kind = 'sold'; COMMIT",
    "BEGIN; SET LOCAL session_replication_role = 'replica'; UPDATE usage_log SET body = replace(body, '\"gone_', '\"pay_') WHERE kind = 'sold'; COMMIT",
  ],
  [
    'C3',
    'a service before its claim',
    "UPDATE payments SET served_at = reserved_at - interval '1 s'",
    'UPDATE payments SET served_at = reserved_at',
  ],
  [
    'C4',
    'a charge that is not what was posted',
    'UPDATE payments SET charged = charged - 1',
    'UPDATE payments SET charged = charged + 1',
  ],
  [
    'M4',
    'a charge of a closed period that was set later, and a correction of nothing',
    `INSERT INTO accounts (id, provider_id) SELECT 'acct_m4', id FROM providers LIMIT 1;
     INSERT INTO charges (id, provider_id, account_id, price_id, window_start, window_end, service_start, service_end, quantity, asset, amount, exact)
     SELECT 'chg_m4', a.provider_id, a.id, p.id, '2026-01-01Z', '2026-02-01Z', '2026-01-01Z', '2026-02-01Z', 0, p.asset, 0, 0 FROM accounts a, prices p
     WHERE a.id = 'acct_m4' LIMIT 1;
     INSERT INTO closed_periods (provider_id, period_start, period_end, position, closed_at) SELECT provider_id, '2026-01-01Z', '2026-02-01Z', 0, now() - interval '1 h' FROM charges;
     INSERT INTO charge_revisions (charge_id, revision, provider_id, account_id, quantity_change, amount_change) SELECT id, 1, provider_id, account_id, 0, 0 FROM charges`,
    `BEGIN; SET LOCAL session_replication_role = 'replica'; DELETE FROM charge_revisions; DELETE FROM charges; DELETE FROM closed_periods;
     DELETE FROM accounts WHERE id = 'acct_m4'; COMMIT`,
  ],
  [
    'N1',
    'a gap in the nonces, and a transaction without bytes',
    `INSERT INTO chain_signers (chain_id, address, next_nonce) VALUES (1, '0xs', 3);
     INSERT INTO chain_transactions (id, chain_id, signer, nonce, state, fence) VALUES ('t0', 1, '0xs', 0, 'signed', 1), ('t2', 1, '0xs', 2, 'signed', 1)`,
    'DELETE FROM chain_transactions; DELETE FROM chain_signers',
  ],
];

describe('verification of the books', () => {
  let path: PaidPath;
  let auditor: Auditor;

  beforeAll(async () => {
    path = await PaidPath.open();
    auditor = new Auditor(path.db.auditUrl);
    const payment = paymentOf(await path.check({ paymentSignature: (await path.signed()).header }));
    await path.a.capture.run({ provider: path.provider, request: { payment: payment.id, reply: ANSWER } });
  });

  afterAll(async () => {
    await auditor.close();
    await path.close();
  });

  const broken = async (): Promise<Set<string>> =>
    new Set(
      (await new VerifyBooks(auditor, []).run()).flatMap(({ invariant, faults }) =>
        faults.length > 0 ? [invariant] : [],
      ),
    );

  it('finds nothing in clean books, and has looked', async () => {
    const findings = await new VerifyBooks(auditor, []).run();
    expect(findings.flatMap(({ faults }) => faults)).toEqual([]);
    expect(findings.find(({ invariant }) => invariant === 'L1')?.counted).toBe(2);
  });

  it.each(PLANTED)('%s notices %s', async (invariant, _, plant, mend) => {
    expect(await broken()).not.toContain(invariant);
    await path.owner.query(plant);
    expect(await broken()).toContain(invariant);
    await path.owner.query(mend);
    expect(await broken()).not.toContain(invariant);
  });
});
