import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { StripeStandIn } from '../../apps/local/src/stripe-stand-in/stripe-stand-in.js';

const run = promisify(execFile);

/** The official command line tool, where its optional package is installed. */
function findCli(): string | undefined {
  try {
    const manifest = createRequire(join(process.cwd(), 'package.json')).resolve('@stripe/cli-linux-x64/package.json');
    return join(dirname(manifest), 'bin', 'stripe');
  } catch {
    return undefined;
  }
}

/** Fixtures of the tool, and the events each of them is there to cause. */
const FIXTURES: readonly (readonly [fixture: string, ...events: string[]])[] = [
  ['customer.created', 'customer.created'],
  ['customer.updated', 'customer.updated'],
  ['customer.deleted', 'customer.deleted'],
  ['payment_method.attached', 'payment_method.attached'],
  ['payment_method.detached', 'payment_method.detached'],
  ['payment_intent.created', 'payment_intent.created'],
  ['payment_intent.succeeded', 'payment_intent.succeeded', 'charge.succeeded'],
  ['payment_intent.payment_failed', 'payment_intent.payment_failed', 'charge.failed'],
  ['payment_intent.requires_action', 'payment_intent.requires_action'],
  ['payment_intent.canceled', 'payment_intent.canceled'],
  ['payment_intent.processing', 'payment_intent.processing'],
  ['payment_intent.amount_capturable_updated', 'payment_intent.amount_capturable_updated'],
  ['charge.captured', 'charge.captured'],
  ['charge.refunded', 'charge.refunded', 'refund.created'],
  ['charge.dispute.created', 'charge.dispute.created'],
  ['charge.dispute.updated', 'charge.dispute.updated'],
  ['charge.dispute.closed', 'charge.dispute.closed'],
  ['setup_intent.created', 'setup_intent.created'],
  ['setup_intent.succeeded', 'setup_intent.succeeded'],
  ['setup_intent.setup_failed', 'setup_intent.setup_failed'],
  ['setup_intent.canceled', 'setup_intent.canceled'],
  ['setup_intent.requires_action', 'setup_intent.requires_action'],
  ['payout.created', 'payout.created'],
];

const cli = findCli();
const withCli = cli === undefined ? describe.skip : describe;
const why = cli === undefined ? ' (skipped: the optional package @stripe/cli-linux-x64 is not installed)' : '';

withCli(`the official Stripe CLI drives the local stand-in${why}`, () => {
  let home: string;
  let standIn: StripeStandIn;
  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'farebox-stripe-cli-'));
    standIn = await StripeStandIn.open();
  });
  afterAll(async () => {
    await standIn.close();
    rmSync(home, { recursive: true, force: true });
  });

  it.each(FIXTURES)('%s', async (fixture, ...events) => {
    const before = standIn.books().events.length;
    const args = ['trigger', fixture, '--api-base', standIn.url, '--api-key', 'sk_test_farebox0000000000'];
    const env = { HOME: home, PATH: process.env.PATH, STRIPE_CLI_TELEMETRY_OPTOUT: '1' };
    const { stdout } = await run(cli ?? '', args, { env, timeout: 30_000 });
    expect(stdout).toContain('Trigger succeeded');
    const types = standIn
      .books()
      .events.slice(before)
      .map(({ type }) => type);
    expect(types).toEqual(expect.arrayContaining(events));
  });
});
