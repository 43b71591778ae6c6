import { randomUUID } from 'node:crypto';
import type { PrepareAnswer, StoredCall } from '@core/collections';
import { StripeRail } from '@platform/stripe';
import type Stripe from 'stripe';
import { USDC } from '../support/collection-scene.js';
import { Campaign, KINDS, type Story } from '../support/deferred-campaign.js';
import { DeferredScene } from '../support/deferred-scene.js';

// A week in which a fifth of all calls to Stripe fails before or after its effect, and events come five times each, in any order, or never,
// with forged ones between them; two workers, which are interrupted at random places. Longer: CAMPAIGN_SEEDS=20. One seed again:
// CAMPAIGN_FIRST=n CAMPAIGN_SEEDS=1.

const SEEDS = Number(process.env['CAMPAIGN_SEEDS'] ?? 1);
const FIRST = Number(process.env['CAMPAIGN_FIRST'] ?? 1);
/** Bank debits are answered after four business days: so that they are answered within the storm, it is longer than three days. */
const STORM_HOURS = 168;
const STORIES: Readonly<Record<string, Story>> = {
  'card good': { rails: ['card'], methods: ['pm_card_visa'], statements: 3 },
  'card in a token': { rails: ['card'], methods: ['pm_card_mastercard'], asset: USDC, statements: 2 },
  'card declined, then good': {
    ...{ rails: ['card'], methods: ['pm_card_chargeCustomerFail'], statements: 2 },
    then: (campaign, of) => of.hours > 50 && campaign.behaves(of, 'pm_card_visa'),
  },
  'card declined for ever': { rails: ['card'], methods: ['pm_card_chargeCustomerFail'], statements: 1 },
  'bank good': { rails: ['bank'], methods: ['pm_usBankAccount_success'], statements: 3 },
  'bank fails late, then good': {
    ...{ rails: ['bank'], methods: ['pm_usBankAccount_insufficientFunds'], statements: 2 },
    then: (campaign, of) => campaign.hasFailed(of) && campaign.behaves(of, 'pm_usBankAccount_success'),
  },
  'bank closed, card second': {
    rails: ['bank', 'card'],
    methods: ['pm_usBankAccount_accountClosed', 'pm_card_visa'],
    statements: 2,
  },
  'mandate ended, card second': {
    ...{ rails: ['bank', 'card'], methods: ['pm_usBankAccount_success', 'pm_card_visa'], statements: 2 },
    then: (campaign, of) => of.hours > 24 && campaign.endsMandate(of),
  },
  'authentication required, then another card': {
    ...{ rails: ['card'], methods: ['pm_card_authenticationRequired'] },
    then: async ({ scene }, of) => {
      if (of.hours < 40) return false;
      await scene.holderStores(of.account, 'pm_card_visa');
      return true;
    },
  },
  'dispute won': {
    ...{ rails: ['card'], methods: ['pm_card_createDispute'] },
    then: (campaign, of) => of.hours > 90 && campaign.decides(of, true),
  },
  'dispute lost, bank second': {
    ...{ rails: ['card', 'bank'], methods: ['pm_card_createDispute', 'pm_usBankAccount_success'] },
    then: (campaign, of) => of.hours > 80 && campaign.decides(of, false),
  },
  'late return, card second': {
    ...{ rails: ['bank', 'card'], methods: ['pm_usBankAccount_success', 'pm_card_visa'] },
    then: (campaign, of) => campaign.returns(of),
  },
  'balance bought': {
    ...{ rails: ['card'], methods: [], statements: 0 },
    then: async ({ scene, dice }, of) => {
      await scene.holderBuys(of.account, BigInt(dice.between(50, 9_000)), 'pm_card_visa');
      await scene.holderBuys(of.account, BigInt(dice.between(50, 9_000)), 'pm_usBankAccount_success', USDC);
      await scene.holderBuys(of.account, BigInt(dice.between(50, 9_000)), 'pm_usBankAccount_insufficientFunds');
      return true;
    },
  },
  'balance bought, and disputed': {
    ...{ rails: ['card'], methods: [], statements: 0 },
    then: async (campaign, of) => {
      if (await campaign.hasBought(of)) return of.hours > 90 && campaign.decides(of, false);
      if (of.hours > 20) await campaign.scene.holderBuys(of.account, 4_000n, 'pm_card_createDispute');
      return false;
    },
  },
  'given back, which fails': {
    ...{ rails: ['card'], methods: ['pm_card_refundFail'] },
    then: (campaign, of) => campaign.givesBack(of),
  },
  'part given back': {
    ...{ rails: ['card'], methods: ['pm_card_visa'] },
    then: (campaign, of) => campaign.givesBack(of),
  },
};

describe.each(Array.from({ length: SEEDS }, (_, i) => FIRST + i))(
  'a week of storm between us and Stripe, seed %i',
  (seed) => {
    let campaign: Campaign;

    beforeAll(async () => {
      campaign = new Campaign(await DeferredScene.open({ seed: `campaign ${seed}` }), seed, STORIES);
      await campaign.begin();
      await campaign.storm(STORM_HOURS);
      await campaign.calm(24);
    }, 300_000);

    afterAll(async () => {
      const { standIn, issued, workers } = campaign.scene;
      const interrupts = workers.map(({ interrupted }) => interrupted);
      console.info(
        `storm, seed ${seed}: ${JSON.stringify({ statements: issued.length, calls: standIn.faults.counts, interrupts, webhooks: standIn.books().webhooks })}`,
      );
      await campaign.scene.close();
    });

    it('was one', () => {
      const { standIn, answered, workers } = campaign.scene;
      expect(Object.keys(standIn.faults.counts).sort()).toEqual([...KINDS].sort());
      expect(answered.get(400)).toBeGreaterThan(10);
      expect(answered.get(500)).toBeUndefined();
      expect(standIn.books().webhooks.dropped).toBeGreaterThan(10);
      expect(workers.reduce((sum, { interrupted }) => sum + interrupted, 0)).toBeGreaterThan(3);
      expect([...campaign.acting]).toEqual([]);
      expect(campaign.waiting).toEqual([]);
    });

    it('leaves each statement paid once or given up, and every book equal to the cent', async () => {
      expect(campaign.alarms.filter((alarm) => !alarm.includes('no clear answer'))).toEqual([]);
      expect(await campaign.faults()).toEqual([]);
    });

    it('ends for everybody as it has to', async () => {
      const { rows } = await campaign.scene.owner.query<{ name: string; states: string[] }>(
        `SELECT a.name, array_agg(DISTINCT s.state) AS states FROM statements s JOIN accounts a ON a.id = s.account_id GROUP BY 1`,
      );
      const ends = Object.fromEntries(rows.map(({ name, states }) => [name, states.join()]));
      const billed = Object.entries(STORIES).filter(([, { statements = 1 }]) => statements > 0);
      const paid = Object.fromEntries(billed.map(([name]) => [name, 'paid']));
      expect(ends).toEqual({ ...paid, 'card declined for ever': 'uncollectible' });
    });
  },
);

/** The defect that keys are for: what was not answered is asked for again under another one, and confirmed with it. */
class AnotherKeyEachTime extends StripeRail {
  constructor(
    private readonly client: Stripe,
    /** Calls whose first answer was lost, whichever worker made them. */
    private readonly lost: Set<string>,
  ) {
    super(client);
  }

  override async prepare({ body, key }: StoredCall): Promise<PrepareAnswer> {
    const answer = await super.prepare({ body, key: `${key} ${randomUUID()}` });
    if (answer.kind !== 'fetched') return answer;
    await this.client.paymentIntents.confirm(answer.intent.id, { off_session: true }).catch(() => undefined);
    if (this.lost.has(key)) return answer;
    this.lost.add(key);
    return { kind: 'unknown', reason: 'the answer was lost', spent: false };
  }
}

const PLANTS = [
  {
    plant: 'UPDATE credit_lines SET due = due + 1',
    undo: 'UPDATE credit_lines SET due = due - 1',
    says: /^owed by/,
  },
  {
    plant:
      "INSERT INTO stripe_events (id, type, created_at, livemode, raw, state) VALUES ('evt_1', 'x', now(), false, '', 'parked')",
    undo: "DELETE FROM stripe_events WHERE id = 'evt_1'",
    says: /^event evt_1 is none/,
  },
  {
    plant: 'UPDATE statements SET paid = paid - 1',
    undo: 'UPDATE statements SET paid = paid + 1',
    says: /^paid on/,
  },
  {
    plant: "UPDATE stripe_movements SET provider_id = NULL WHERE category = 'charge'",
    undo: "UPDATE stripe_movements SET provider_id = $provider WHERE category = 'charge'",
    says: /^1010/,
  },
  {
    plant: "ALTER TABLE collections DISABLE TRIGGER USER; UPDATE collections SET state = 'halted'",
    undo: "UPDATE collections SET state = 'paid'; ALTER TABLE collections ENABLE TRIGGER USER",
    says: /neither at its end nor waiting/,
  },
];

describe('the checker of the storm', () => {
  let campaign: Campaign;

  const few = { 'card good': { rails: ['card'], methods: ['pm_card_visa'], statements: 4 } } as const;

  afterEach(() => campaign.scene.close());

  it('finds a second payment, made under another key', async () => {
    const lost = new Set<string>();
    const rail = (stripe: Stripe) => new AnotherKeyEachTime(stripe, lost);
    campaign = new Campaign(await DeferredScene.open({ seed: 'planted', rail }), 1, few);
    await campaign.begin();
    await campaign.storm(72);
    const faults = await campaign.faults();
    expect(faults).toContainEqual(expect.stringMatching(/was paid \d times/));
    expect(faults).toContainEqual(expect.stringMatching(/is succeeded and of no attempt/));
  });

  it('finds what is planted in the books', async () => {
    campaign = new Campaign(await DeferredScene.open({ seed: 'planted' }), 1, few);
    await campaign.begin();
    await campaign.storm(24);
    const { owner, provider, issued } = campaign.scene;
    // What the storm left under way has its time first.
    const isOver = async (): Promise<boolean> => {
      const { rowCount } = await owner.query("SELECT 1 FROM statements WHERE state <> 'paid' LIMIT 1");
      return rowCount === 0 && (await campaign.faults()).length === 0;
    };
    for (let days = 0; days < 24 && (days === 0 || !(await isOver())); days += 4) await campaign.calm(4);
    expect(await campaign.faults()).toEqual([]);
    expect(issued.length).toBeGreaterThan(0);
    const found: string[] = [];
    for (const { plant, undo, says } of PLANTS) {
      await owner.query(plant);
      const faults = await campaign.faults();
      if (faults.some((fault) => says.test(fault))) found.push(plant);
      await owner.query(undo.replace('$provider', `'${provider}'`));
      expect(await campaign.faults()).toEqual([]);
    }
    expect(found).toEqual(PLANTS.map(({ plant }) => plant));
  }, 60_000);
});
