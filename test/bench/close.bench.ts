// Closing the billing periods of thousands of accounts set-based, beside a loop that closes one account after the other with the same
// code, in the same database that waits for the disk at every commit. Everything is proven afterwards.
import pg from 'pg';
import { addMs, instant, monthOf } from '@core/time';
import { VerifyBooks } from '@features/finance';
import { RollUpUsage } from '@features/metering';
import { RateUsage } from '@features/pricing';
import { CloseDue } from '@features/statements';
import { Auditor, Database, Writer } from '@platform/database';
import { Outbox } from '@platform/queues';
import { SystemClock, SystemIds } from '@platform/system';
import { billedAccounts } from '../support/billed-accounts.js';
import { createTestDatabase, seedProvider } from '../support/database.js';
import { startGround } from './support/ground.js';
import { compare, report, short } from './support/report.js';

const ROUNDS = short ? 1 : 2;
const ACCOUNTS = short ? 2_000 : 10_000;
/** Closed one by one. The rate is what counts, and these are enough to tell it. */
const LOOPED = short ? 100 : 300;
const ASSET = `eip155:84532/erc20:0x${'1'.repeat(40)}`;

const ground = await startGround();
const db = await createTestDatabase();
const owner = new pg.Client({ connectionString: db.ownerUrl });
const database = new Database(db.appUrl, 4);
const writer = new Writer(db.writerUrl, 4);
try {
  await owner.connect();
  const ids = new SystemIds();
  const clock = new SystemClock();
  const rate = new RateUsage(writer, database, clock, ids, new RollUpUsage(writer, new Outbox(), clock));
  const closeDue = new CloseDue(writer, rate, ids);
  const end = monthOf(clock.now()).start;
  const start = monthOf(addMs(end, -1)).start;
  let serial = 0;

  const due = async (accounts: number): Promise<{ provider: string; accounts: string[] }> => {
    const { provider } = await seedProvider(db);
    const charged = [1, 2, 3].map((day) => instant(start + day * 86_400_000));
    await billedAccounts(owner, {
      provider,
      asset: ASSET,
      accounts,
      start,
      end,
      charged,
      mark: `round ${(serial += 1)} `,
    });
    await owner.query('ANALYZE');
    const { rows } = await owner.query<{ account_id: string }>(
      'SELECT account_id FROM billing_terms WHERE provider_id = $1',
      [provider],
    );
    return { provider, accounts: rows.map((row) => row.account_id) };
  };
  const perSecond = async (count: number, work: () => Promise<number>): Promise<number> => {
    const begun = process.hrtime.bigint();
    const issued = await work();
    const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
    if (issued !== count) throw new Error(`${issued} statements were issued for ${count} accounts`);
    return count / seconds;
  };

  // What a process does once is not measured.
  await closeDue.only({ provider: (await due(20)).provider });
  const row = await compare({
    path: `closing the month of ${ACCOUNTS.toLocaleString('en-US')} accounts in one run`,
    unit: 'accounts a second',
    referenceName: 'one account after the other',
    target: 20,
    rounds: ROUNDS,
    ours: async () => {
      const { provider } = await due(ACCOUNTS);
      return perSecond(ACCOUNTS, async () => (await closeDue.only({ provider })).issued);
    },
    reference: async () => {
      const { provider, accounts } = await due(LOOPED);
      return perSecond(LOOPED, async () => {
        let issued = 0;
        for (const account of accounts) issued += (await closeDue.only({ provider, account })).issued;
        return issued;
      });
    },
  });

  await owner.query('ANALYZE');
  const auditor = new Auditor(db.auditUrl);
  const faults = (await new VerifyBooks(auditor, []).run()).flatMap((finding) => finding.faults);
  await auditor.close();
  if (faults.length > 0) throw new Error(`the books do not hold: ${faults.slice(0, 3).join('; ')}`);
  report('close', [row]);
} finally {
  await Promise.all([owner.end(), database.close(), writer.close()]);
  await db.drop();
  await ground.stop();
}
