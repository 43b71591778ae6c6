import { USD } from '@core/money';
import { instant } from '@core/time';
import { Ledger } from '@features/ledger';
import { OpenCheckout, RefundStatement, StoredMethods, stripeAccountCommands } from '@features/collections';
import { Announce } from '@features/webhooks';
import { Auditor } from '@platform/database';
import { StripeBalance, StripeCheckout, StripeReturns } from '@platform/stripe';
import { CollectionScene } from '../../../../test/support/collection-scene.js';
import { VerifyBooks } from './verify-books.js';

const DAY = 86_400_000;

/** A break, planted past every guard, and the invariant that has to notice it. */
const PLANTED: readonly (readonly [invariant: string, what: string, plant: string, mend: string])[] = [
  [
    'R1',
    'a fee that is off by a cent',
    "UPDATE stripe_movements SET fee = fee + 1, net = net - 1 WHERE category = 'charge'",
    "UPDATE stripe_movements SET fee = fee - 1, net = net + 1 WHERE category = 'charge'",
  ],
  [
    'R2',
    'a charge that was never received',
    "UPDATE transfers SET entry = 'x' || entry WHERE entry LIKE 'collect:%'",
    "UPDATE transfers SET entry = substr(entry, 2) WHERE entry LIKE 'xcollect:%'",
  ],
  [
    'R3',
    'a statement that was collected twice',
    `DROP INDEX IF EXISTS collection_attempts_one_success; INSERT INTO collection_attempts SELECT (jsonb_populate_record(a, jsonb_build_object('id', 'att_x', 'number', 9, 'create_key', 'x', 'confirm_key', 'y',
       'payment_intent', 'pi_x'))).* FROM collection_attempts a`,
    "DELETE FROM collection_attempts WHERE id = 'att_x'",
  ],
  [
    'R4',
    'balance that nobody paid for',
    "UPDATE checkouts SET state = 'expired' WHERE purpose = 'topup'",
    "UPDATE checkouts SET state = 'complete' WHERE purpose = 'topup'",
  ],
  [
    'T3',
    'a refund that is forgotten',
    "UPDATE card_refunds SET state = 'failed'",
    "UPDATE card_refunds SET state = 'succeeded'",
  ],
];

describe('the books of cards and banks', () => {
  let scene: CollectionScene;
  let auditor: Auditor;

  beforeAll(async () => {
    scene = await CollectionScene.build();
    auditor = new Auditor(scene.db.auditUrl);
    const { writer, database, ids, stripe } = scene;
    const { provider, account } = scene.seeded;
    const rails = {
      checkout: new StripeCheckout(stripe),
      balance: new StripeBalance(stripe),
      returns: new StripeReturns(stripe),
    };
    const clock = { now: () => instant(scene.standIn.clock.now()) };
    const methods = new StoredMethods(ids, new Announce(ids));
    const ledger = new Ledger();
    const commands = stripeAccountCommands({
      ...{ writer, database, ids, ledger, methods, rails, clock },
      collecting: scene.commands(),
    });
    await scene.terms();
    await scene.method('pm_card_visa');
    const statement = await scene.statement(4_210n);
    await scene.round();
    const returns = { successUrl: 'https://shop.example/done', cancelUrl: 'https://shop.example/no' };
    const { checkout } = await new OpenCheckout(database, rails.checkout, ids, clock).buyBalance({
      ...{ ...returns, provider, account, cents: 2_000n, asset: USD.id },
    });
    scene.standIn.drive.completeCheckout(checkout.stripeId ?? '', { paymentMethod: 'pm_card_visa' });
    await commands.checkouts.run(checkout.id);
    await commands.balance.run();
    await new RefundStatement(database, ledger, ids).run({ provider, statement, cents: 210n, reason: 'slow' });
    await commands.refunds.run();
    await scene.standIn.clock.advance(3 * DAY);
    await commands.balance.run();
  });
  afterAll(async () => {
    await auditor.close();
    await scene.close();
  });

  /** Statements of this scene are written by hand, so only what concerns cards and banks is asked. */
  const broken = async (): Promise<string[]> => {
    const findings = await new VerifyBooks(auditor, []).run();
    return findings.flatMap(({ invariant, faults }) =>
      /^(?:R\d|T3|L\d)$/.test(invariant) ? faults.map((fault) => `${invariant} ${fault}`) : [],
    );
  };

  it('finds nothing in clean books', async () => {
    expect(await broken()).toEqual([]);
  });

  it.each(PLANTED)('%s notices %s', async (invariant, _, plant, mend) => {
    const past = (sql: string) =>
      scene.owner.query(`BEGIN; SET LOCAL session_replication_role = 'replica'; ${sql}; COMMIT`);
    const found = async () => new Set((await broken()).map((fault) => fault.slice(0, fault.indexOf(' '))));
    await past(plant);
    expect(await found()).toContain(invariant);
    await past(mend);
    expect(await found()).not.toContain(invariant);
  });
});
