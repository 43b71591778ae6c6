import { ClosingScene } from '../../../../test/support/closing-scene.js';

/** A break, planted past every guard, and the invariant that has to notice it. */
const PLANTED: readonly (readonly [invariant: string, what: string, plant: string, mend: string])[] = [
  [
    'M5',
    'a statement that closes elsewhere than the ledger',
    'UPDATE statements SET closing = closing + 1, adjustments = adjustments + 1',
    'UPDATE statements SET closing = closing - 1, adjustments = adjustments - 1',
  ],
  [
    'M5',
    'what slipped into a period after it was closed',
    "UPDATE transfers SET effective_at = effective_at - interval '20 days' WHERE posting_key = 'adjust:2:amount'",
    "UPDATE transfers SET effective_at = effective_at + interval '20 days' WHERE posting_key = 'adjust:2:amount'",
  ],
  [
    'M5',
    'lines that became others of the same sum',
    "UPDATE transfers SET posting_key = 'adjust:x' WHERE posting_key = 'adjust:1:amount'",
    "UPDATE transfers SET posting_key = 'adjust:1:amount' WHERE posting_key = 'adjust:x'",
  ],
  [
    'S1',
    'a number that is missing',
    'UPDATE statements SET number = number + 1',
    'UPDATE statements SET number = number - 1',
  ],
  [
    'S1',
    'a number that was given to nothing',
    'UPDATE statement_series SET last = last + 1',
    'UPDATE statement_series SET last = last - 1',
  ],
  [
    'S1',
    'a statement of books that are open',
    "UPDATE closed_books SET closed_until = closed_until - interval '1 ms'",
    "UPDATE closed_books SET closed_until = closed_until + interval '1 ms'",
  ],
  [
    'S2',
    'a payment that the ledger does not know',
    "UPDATE statements SET paid = 1, state = 'part_paid'",
    "UPDATE statements SET paid = 0, state = 'issued'",
  ],
  [
    'S2',
    'a statement called paid that is not',
    "UPDATE statements SET state = 'paid'",
    "UPDATE statements SET state = 'issued'",
  ],
  [
    'S2',
    'a bill of something else than the statement',
    "UPDATE transfers SET posting_key = 'x' || posting_key WHERE posting_key LIKE 'bill:%'",
    "UPDATE transfers SET posting_key = substr(posting_key, 2) WHERE posting_key LIKE 'xbill:%'",
  ],
  [
    'S3',
    'a line that is off by one unit',
    'UPDATE credit_lines SET due = due + 1',
    'UPDATE credit_lines SET due = due - 1',
  ],
  [
    'S3',
    'a wallet that may owe what its line does not leave',
    'UPDATE wallets SET credit_limit = credit_limit + 1',
    'UPDATE wallets SET credit_limit = credit_limit - 1',
  ],
];

describe('the books of statements and credit', () => {
  let scene: ClosingScene;

  beforeAll(async () => {
    scene = await ClosingScene.open();
    await scene.begin('2026-10-10T12:00:00Z');
    await scene.terms();
    await scene.credit(1_000n);
    await scene.owe(9n);
    await scene.now('2026-11-10T00:00:00Z');
    await scene.close();
    await scene.owe(4n);
  });
  afterAll(() => scene.end());

  const broken = async (): Promise<Set<string>> =>
    new Set((await scene.broken()).map((fault) => fault.slice(0, fault.indexOf(' '))));

  it('finds nothing in clean books', async () => {
    expect(await scene.broken()).toEqual([]);
    expect(await scene.statements()).toMatchObject([{ due: 9n }]);
  });

  it.each(PLANTED)('%s notices %s', async (invariant, _, plant, mend) => {
    const past = (sql: string) =>
      scene.owner.query(`BEGIN; SET LOCAL session_replication_role = 'replica'; ${sql}; COMMIT`);
    expect(await broken()).not.toContain(invariant);
    await past(plant);
    expect(await broken()).toContain(invariant);
    await past(mend);
    expect(await broken()).not.toContain(invariant);
  });
});
