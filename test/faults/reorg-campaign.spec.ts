import { paywall } from '@farebox/paywall/express';
import {
  decodePaymentRequired,
  encodePaymentPayload,
  type ExactAuthorization,
  exactPayloadOf,
  type Hex,
} from '@core/x402';
import { type Chain, startChain } from '../../tools/servers/chain.mjs';
import { rpc } from '../../tools/servers/rpc.mjs';
import { Dice } from '../model/dice.js';
import { railOf, verifyBooks } from '../support/books.js';
import { faultsAgainstChain, type Sent } from '../support/chain-books.js';
import { House } from '../support/house.js';
import { Payer, USDC_ADDRESS } from '../support/payer.js';
import { cancelAuthorization, relayAsStranger } from '../support/stranger.js';
import { until } from '../support/until.js';

// A real api and a real worker over a chain whose blocks go away, whose mempool forgets, whose time jumps, on which others carry
// our payments and payers take theirs back. The long form: REORGS=200. One seed again: FIRST_SEED=n REORGS=1.

const SEEDS = Number(process.env['REORGS'] ?? 3);
const FIRST_SEED = Number(process.env['FIRST_SEED'] ?? 1);
const DEEPEST = 12;
/** Blocks on top that make one final: more than ever go away. */
const FINALITY = 14;
const STEPS = 18;
const ENDS_WITHIN_MS = 90_000;
/** Seeds on one chain: the local node loses code that was laid at addresses when a reorganisation comes after too many blocks. */
const ON_ONE_CHAIN = 4;
const seeds = Array.from({ length: SEEDS }, (_, i) => FIRST_SEED + i);
const groups = seeds.flatMap((_, i) => (i % ON_ONE_CHAIN === 0 ? [seeds.slice(i, i + ON_ONE_CHAIN)] : []));

interface Bought extends Sent {
  readonly by: Payer;
  readonly authorization: ExactAuthorization;
}

describe.each(groups.map((group) => ({ group })))('a chain that changes its mind', ({ group }) => {
  let chain: Chain;
  let house: House;
  let shop: string;
  const sent: Bought[] = [];
  const relayers = new Map<string, bigint>();
  const tally: Record<string, number> = {};

  const count = (what: string): void => {
    tally[what] = (tally[what] ?? 0) + 1;
  };
  const mine = async (blocks: number): Promise<void> => {
    for (let i = 0; i < blocks; i += 1) await rpc(chain.url, 'evm_mine');
  };

  beforeAll(async () => {
    chain = await startChain({ mining: false });
    house = await House.build({
      chain,
      finality: FINALITY,
      config: { CHAIN_POLL_MS: '50', RELEASE_WAIT_MS: '200', REPLACE_AFTER_SECONDS: '2', LOG_LEVEL: 'fatal' },
    });
    await mine(FINALITY);
    await house.startWorker();
    const { rows } = await house.owner.query<{ address: Hex }>('SELECT address FROM chain_signers');
    for (const { address } of rows)
      relayers.set(address, BigInt(String(await rpc(chain.url, 'eth_getBalance', address, 'latest'))));
    const onError = (): void => count('gate unavailable');
    const price = paywall({ gateUrl: house.url, key: house.key, onError })({
      meter: 'compute.seconds',
      quantity: ({ headers }) => String(headers['x-seconds']),
    });
    shop = await house.serve((request, response) => void price(request, response, () => response.end('computed')));
  }, 120_000);

  afterAll(async () => {
    console.info(`reorg campaign, seeds ${group.join(', ')}: ${JSON.stringify(tally)}`);
    await house.close();
    await chain.stop();
  });

  const headTime = async (): Promise<number> => {
    const block = await rpc(chain.url, 'eth_getBlockByNumber', 'latest', false);
    if (typeof block !== 'object' || block === null || !('timestamp' in block)) throw new Error('no head');
    return Number(block.timestamp);
  };

  /** An agent buys; sometimes a stranger has the authorization first and carries it before it is presented. */
  const buy = async (payer: Payer, seconds: number, relayedFirst: boolean): Promise<void> => {
    const asked = { 'x-seconds': String(seconds) };
    const challenge = await fetch(`${shop}/x`, { headers: asked });
    const required = decodePaymentRequired(challenge.headers.get('PAYMENT-REQUIRED') ?? '');
    const offer = required.ok ? required.payload.accepts.find(({ scheme }) => scheme === 'exact') : undefined;
    if (!offer) throw new Error(`no offer: ${challenge.status} ${await challenge.text()}`);
    const authorization = await payer.accept(offer, await headTime());
    if (relayedFirst) await relayAsStranger(chain.url, authorization, 1);
    const header = encodePaymentPayload({
      x402Version: 2,
      accepted: offer,
      payload: { ...exactPayloadOf(authorization) },
    });
    const { status } = await fetch(`${shop}/x`, { headers: { ...asked, 'PAYMENT-SIGNATURE': header } });
    count(`answered ${status}`);
    const acknowledged = status === 200 || status === 202;
    sent.push({
      by: payer,
      payer: payer.address,
      nonce: authorization.nonce,
      value: authorization.value,
      acknowledged,
      authorization,
    });
  };

  /** Lets the worker come as far as some point that differs from time to time, or goes on at once. */
  const someInstant = async (dice: Dice): Promise<void> => {
    const moments: readonly (readonly [string, string])[] = [
      ['bytes stored', "SELECT 1 FROM chain_transactions WHERE state = 'signed'"],
      ['something sent', "SELECT 1 FROM chain_transactions WHERE state = 'broadcast'"],
      ['something mined', "SELECT 1 FROM chain_transactions WHERE state = 'mined'"],
      ['something included', "SELECT 1 FROM payments WHERE state = 'included'"],
      ['something served', "SELECT 1 FROM payments WHERE state = 'served'"],
    ];
    const moment = moments[dice.below(moments.length * 2)];
    if (!moment) return;
    // It may never come to that: then the story goes on as well.
    const look = async () => ((await house.owner.query(moment[1])).rowCount ?? 0) > 0;
    await until(moment[0], look, undefined, dice.between(50, 600)).catch(() => undefined);
  };

  const ourBytes = async (dice: Dice): Promise<string | undefined> => {
    const { rows } = await house.owner.query<{ raw: string }>(
      `SELECT '0x' || encode(c.raw, 'hex') AS raw FROM chain_candidates c JOIN chain_transactions t ON t.id = c.transaction_id
       WHERE t.state NOT IN ('final', 'dropped') ORDER BY c.created_at DESC LIMIT 4`,
    );
    return rows[dice.below(Math.max(rows.length, 1))]?.raw;
  };

  const reorganize = async (dice: Dice): Promise<void> => {
    const depth = dice.between(1, DEEPEST);
    count(`reorg ${depth}`);
    const raw = dice.chance(0.4) ? await ourBytes(dice) : undefined;
    const again = raw === undefined ? [] : [[raw, dice.below(depth)]];
    // Bytes that do not fit into the new blocks are left out.
    await rpc(chain.url, 'anvil_reorg', depth, again).catch(() => rpc(chain.url, 'anvil_reorg', depth, []));
    if (dice.chance(0.5)) await drop();
  };

  const drop = async (): Promise<void> => {
    count('mempool dropped');
    await rpc(chain.url, 'anvil_dropAllTransactions');
  };

  const someOf = (dice: Dice, items: readonly Bought[]): Bought | undefined =>
    items[dice.below(Math.max(items.length, 1))];

  const step = async (dice: Dice, payers: readonly [Payer, ...Payer[]], since: number): Promise<void> => {
    const lot = dice.next();
    const target = someOf(dice, dice.chance(0.8) ? sent.slice(Math.max(since, sent.length - 6)) : sent.slice(since));
    if (lot < 0.28) {
      const purchases = Array.from(
        { length: dice.between(1, 3) },
        () => [dice.of(payers), dice.between(1, 19)] as const,
      );
      const relayedFirst = dice.chance(0.15);
      await Promise.all(purchases.map(([payer, seconds]) => buy(payer, seconds, relayedFirst)));
    } else if (lot < 0.48) await mine(dice.between(1, 3));
    else if (lot < 0.7) await reorganize(dice);
    else if (lot < 0.75) await drop();
    else if (lot < 0.83 && target) {
      count('relayed');
      if (dice.chance(0.3)) await reorganize(dice);
      await relayAsStranger(chain.url, target.authorization, dice.between(1, 9));
    } else if (lot < 0.93 && target) {
      count('cancelled');
      if (dice.chance(0.3)) await reorganize(dice);
      if (dice.chance(0.5)) await buy(dice.of(payers), dice.between(1, 19), false);
      const { by, authorization } = (dice.chance(0.5) ? sent.at(-1) : undefined) ?? target;
      await cancelAuthorization(chain.url, by, authorization.nonce, dice.between(1, 9));
      if (dice.chance(0.5)) await mine(1);
    } else {
      count('time jumped');
      if (dice.chance(0.3)) await reorganize(dice);
      if (dice.chance(0.5)) await buy(dice.of(payers), dice.between(1, 19), false);
      if (dice.chance(0.5)) await drop();
      await rpc(chain.url, 'evm_increaseTime', dice.of([30, 120, 280, 400, 3_600]));
      if (dice.chance(0.5)) await mine(1);
    }
  };

  /** Blocks come, and nothing waits for the clock, until everything has ended. */
  const untilEnded = (): Promise<unknown> =>
    until(
      'every payment and every transaction of ours to end',
      async () =>
        (
          await house.owner.query<{ open: number }>(
            `SELECT (SELECT count(*) FROM payments WHERE state NOT IN ('settled', 'failed', 'voided'))::int
               + (SELECT count(*) FROM chain_transactions WHERE state NOT IN ('final', 'dropped'))::int AS open`,
          )
        ).rows[0]?.open === 0,
      async () => {
        if ((await rpc(chain.url, 'eth_getCode', USDC_ADDRESS, 'latest')) === '0x')
          throw new Error('the local chain has lost the token: this says nothing of the service');
        await mine(1);
        await house.owner.query(
          `UPDATE payments SET next_run_at = now() WHERE id IN (
             SELECT id FROM payments WHERE state = 'settling' AND next_run_at > now() FOR UPDATE SKIP LOCKED)`,
        );
        await until('a moment to pass', () => Promise.resolve(false), undefined, 120).catch(() => undefined);
      },
      ENDS_WITHIN_MS,
    );

  const faults = (): Promise<string[]> =>
    faultsAgainstChain({
      ...{ owner: house.owner, rpcUrl: chain.url, token: USDC_ADDRESS, payee: house.payTo },
      ...{ finality: FINALITY, sent, relayers },
    });

  it.each(group)(
    'seed %i: in the end the ledger is the final chain to the unit',
    async (seed) => {
      const dice = new Dice(seed);
      const payers = [new Payer(), new Payer(), new Payer()] as const;
      for (const payer of payers) await house.usdc.mint(payer.address, 1_000_000n);
      await mine(DEEPEST + 1);
      const since = sent.length;
      await buy(payers[0], 1, false);
      for (let i = 0; i < STEPS; i += 1) {
        await step(dice, [...payers], since);
        await someInstant(dice);
      }
      await untilEnded();
      // What others sent may still be on its way.
      await mine(FINALITY + 1);
      await untilEnded();
      const { rows } = await house.owner.query<{ state: string; n: number }>(
        'SELECT state, count(*)::int AS n FROM payments GROUP BY 1',
      );
      for (const { state, n } of rows) tally[state] = n;
      expect(await faults()).toEqual([]);
      const findings = await verifyBooks(house.db.auditUrl, railOf(house.config));
      expect(findings.flatMap(({ faults }) => faults)).toEqual([]);
    },
    ENDS_WITHIN_MS * 2 + 60_000,
  );

  it('the checker finds a payment that is shown as failed, and one that nobody sent', async () => {
    await house.owner.query('ALTER TABLE payments DISABLE TRIGGER legal_transition');
    const { rows } = await house.owner.query<{ id: string }>("SELECT id FROM payments WHERE state = 'settled' LIMIT 1");
    await house.owner.query("UPDATE payments SET state = 'failed', failed_at = now(), failure = '{}' WHERE id = $1", [
      rows[0]?.id,
    ]);
    expect(await faults()).toEqual([expect.stringMatching(/is shown as failed, and 0x[0-9a-f]{64} pays it/)]);
    sent.splice(
      sent.findLastIndex(({ acknowledged }) => acknowledged),
      1,
    );
    expect(await faults()).toContainEqual(expect.stringMatching(/was never sent/));
  });
});
