import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { businessDaysLater, DAY, nextMidnight } from './clock.js';
import { MONDAY, openInbox, openScene, pay, saved, sdk, SECRET } from './scene.js';
import { StripeStandIn } from './stripe-stand-in.js';

describe('what the local stand-in keeps', () => {
  let folder: string;
  let snapshotFile: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'farebox-stand-in-'));
    snapshotFile = join(folder, 'stand-in.json');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('goes on after a restart where it ended: objects, clock, keys, what is due', async () => {
    const first = await openScene({ snapshotFile });
    const started = await pay(first, 'pm_usBankAccount_success');
    const who = await saved(first, 'pm_card_visa');
    const body = { ...who, amount: 500, currency: 'usd', off_session: true, confirm: true } as const;
    const paid = await first.stripe.paymentIntents.create(body, { idempotencyKey: 'k' });
    await first.standIn.clock.advance(DAY);
    const before = first.standIn.books();
    await first.standIn.close();

    const standIn = await StripeStandIn.open({ snapshotFile });
    const stripe = sdk(standIn);
    try {
      expect(standIn.books()).toEqual(before);
      await standIn.clock.advance(DAY - 1000 * 3600);
      expect((await stripe.paymentIntents.create(body, { idempotencyKey: 'other' })).status).toBe('succeeded');
      await standIn.clock.advance(3 * DAY);
      expect((await stripe.paymentIntents.retrieve(started.id)).status).toBe('succeeded');
      expect(standIn.books().paymentIntents.map(({ id }) => id)).toContain(paid.id);
    } finally {
      await standIn.close();
    }
  });

  it('is on the disk before the answer is given, with the answer under its key', async () => {
    const { standIn, stripe } = await openScene({ snapshotFile });
    const made = await stripe.customers.create({}, { idempotencyKey: 'k' });
    const copy = join(folder, 'copy.json');
    writeFileSync(copy, readFileSync(snapshotFile));
    await standIn.close();
    const other = await StripeStandIn.open({ snapshotFile: copy });
    try {
      const again = await sdk(other).customers.create({}, { idempotencyKey: 'k' });
      expect(again.id).toBe(made.id);
      expect(again.lastResponse.headers['idempotent-replayed']).toBe('true');
    } finally {
      await other.close();
    }
  });

  it('does not lose a webhook that was on its way', async () => {
    const inbox = await openInbox(() => MONDAY);
    inbox.answer = 503;
    const first = await openScene({ snapshotFile, webhook: { url: inbox.url, secret: SECRET } });
    await first.stripe.customers.create();
    await first.standIn.clock.advance(0);
    await first.standIn.close();
    inbox.answer = 200;
    const again = await StripeStandIn.open({ snapshotFile, webhook: { url: inbox.url, secret: SECRET } });
    await again.clock.advance(60_000);
    expect(inbox.events.map(({ type }) => type)).toEqual(['customer.created']);
    expect(again.books().deliveriesWaiting).toBe(0);
    await again.close();
    await inbox.close();
  });

  it('does not open, and does not touch, a file of another kind', async () => {
    writeFileSync(snapshotFile, '{"kind":"diary"}');
    await expect(StripeStandIn.open({ snapshotFile })).rejects.toThrow('not a snapshot');
    expect(readFileSync(snapshotFile, 'utf8')).toBe('{"kind":"diary"}');
  });

  it('gives the same ids again under the same seed, and others without one', async () => {
    const idOf = async (seed: string | undefined) => {
      const { standIn, stripe } = await openScene({ seed });
      const { id } = await stripe.customers.create();
      await standIn.close();
      return id;
    };
    expect(await idOf('a')).toBe(await idOf('a'));
    expect(await idOf(undefined)).not.toBe(await idOf(undefined));
  });
});

describe('the clock of the local stand-in', () => {
  it('goes with real time, ahead of it by what it was advanced', async () => {
    const standIn = await StripeStandIn.open();
    try {
      expect(Math.abs(standIn.clock.now() - Date.now())).toBeLessThan(5000);
      await standIn.clock.advance(7 * DAY);
      expect(Math.abs(standIn.clock.now() - Date.now() - 7 * DAY)).toBeLessThan(5000);
    } finally {
      await standIn.close();
    }
  });

  it('does what falls due without being asked while it runs', async () => {
    const standIn = await StripeStandIn.open();
    const stripe = sdk(standIn);
    try {
      const scene = { standIn, stripe };
      const method = await stripe.paymentMethods.create({
        type: 'sepa_debit',
        sepa_debit: { iban: 'AT321904300235473204' },
      });
      const started = await stripe.paymentIntents.create({
        ...(await saved(scene, method.id)),
        ...{ amount: 1000, currency: 'eur', off_session: true, confirm: true },
      });
      await standIn.clock.advance(3 * 60_000 - 700);
      expect((await stripe.paymentIntents.retrieve(started.id)).status).toBe('processing');
      while ((await stripe.paymentIntents.retrieve(started.id)).status === 'processing')
        await new Promise(setImmediate);
      expect((await stripe.paymentIntents.retrieve(started.id)).status).toBe('succeeded');
    } finally {
      await standIn.close();
    }
  });

  it('signs webhooks with real time while it runs, so that receivers on their own clock take them', async () => {
    const inbox = await openInbox(() => Date.now());
    const standIn = await StripeStandIn.open({ webhook: { url: inbox.url, secret: SECRET } });
    try {
      await standIn.clock.advance(30 * DAY);
      await sdk(standIn).customers.create();
      await standIn.clock.advance(0);
      expect(inbox.refused).toEqual([]);
      expect(inbox.events).toHaveLength(1);
      expect(inbox.events[0]?.created).toBeGreaterThan((Date.now() + 29 * DAY) / 1000);
    } finally {
      await standIn.close();
      await inbox.close();
    }
  });

  it('knows midnights and business days', () => {
    expect(nextMidnight(MONDAY)).toBe(Date.UTC(2026, 10, 3));
    expect(nextMidnight(Date.UTC(2026, 10, 3))).toBe(Date.UTC(2026, 10, 4));
    expect(businessDaysLater(MONDAY, 4)).toBe(MONDAY + 4 * DAY);
    expect(businessDaysLater(MONDAY + 4 * DAY, 1)).toBe(MONDAY + 7 * DAY);
    expect(businessDaysLater(MONDAY + 5 * DAY, 1)).toBe(MONDAY + 7 * DAY);
  });
});
