import { BATCH_CONTRACTS } from '@core/x402';
import { finalizeWithdraw, initiateWithdraw } from '../../../../test/support/channel-payer.js';
import { ChannelScene, type OpenChannel, RECEIVER, TOKEN } from '../../../../test/support/channel-scene.js';
import { Dice } from '../../../../test/model/dice.js';

/** A channel as anybody would keep it on paper. */
interface OnPaper {
  balance: bigint;
  claimed: bigint;
  nonce: bigint;
  announced: { amount: bigint; at: bigint } | undefined;
}

const STEPS = 70;
const DELAY = 900n;
const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);

describe('the contract of the local chain beside a channel on paper', () => {
  let scene: ChannelScene;
  beforeAll(async () => {
    scene = await ChannelScene.build();
  });
  afterAll(() => scene.stop());

  it.each([1, 2])('holds and pays what the paper says, whatever happens in whatever order (seed %i)', async (seed) => {
    const dice = new Dice(seed);
    const { url } = scene.chain;
    const open = await Promise.all([scene.opened(10n ** 9n), scene.opened(10n ** 9n), scene.opened(10n ** 9n)]);
    for (const { payer } of open) await payer.fundGas(url);
    const paper = new Map<OpenChannel, OnPaper>(
      open.map((channel) => [channel, { balance: 0n, claimed: 0n, nonce: 0n, announced: undefined }]),
    );
    const before = await scene.usdc.balance(BATCH_CONTRACTS.settlement);
    const paidBefore = (await scene.channels.receiver(RECEIVER, TOKEN, 'latest')).totalSettled;
    const [first, second, third] = open;

    for (let step = 0; step < STEPS; step += 1) {
      const channel = dice.of([first, second, third]);
      const page = paper.get(channel);
      if (!page) throw new Error('a channel has no page');
      const { payer, config } = channel;
      const left = page.balance - page.claimed;
      const units = BigInt(dice.between(1, 5_000));
      switch (dice.below(7)) {
        case 0:
        case 1: {
          await scene.send(await scene.deposit(channel, units));
          page.balance += units;
          break;
        }
        case 2: {
          const total = page.claimed + units;
          await scene.send({ kind: 'claim', rows: [await scene.row(channel, total, total + 3n)] });
          if (total <= page.balance) page.claimed = total;
          break;
        }
        case 3: {
          await scene.send({ kind: 'settle', receiver: RECEIVER, token: TOKEN });
          break;
        }
        case 4: {
          await scene.send({ kind: 'refund', config, amount: units, nonce: page.nonce, claim: undefined });
          const back = smaller(units, left);
          page.nonce += 1n;
          page.balance -= back;
          if (page.announced && back > 0n) {
            const rest = page.announced.amount - back;
            page.announced = rest > 0n ? { ...page.announced, amount: rest } : undefined;
          }
          break;
        }
        case 5: {
          const asked = initiateWithdraw(url, payer, config, units);
          if (page.announced) await expect(asked).rejects.toThrow('WithdrawalAlreadyPending');
          else if (units > left) await expect(asked).rejects.toThrow('WithdrawAmountExceedsAvailable');
          else {
            await asked;
            page.announced = { amount: units, at: await scene.now() };
          }
          break;
        }
        case 6: {
          if (dice.chance(0.5)) await scene.pass(Number(DELAY));
          const done = finalizeWithdraw(url, payer, config);
          if (!page.announced) await expect(done).rejects.toThrow('WithdrawalNotPending');
          else if ((await scene.now()) < page.announced.at + DELAY) {
            await expect(done).rejects.toThrow('WithdrawDelayNotElapsed');
          } else {
            await done;
            page.balance -= smaller(page.announced.amount, left);
            page.announced = undefined;
          }
          break;
        }
      }
      expect(await scene.at(channel.id)).toEqual({
        channelId: channel.id,
        balance: page.balance,
        totalClaimed: page.claimed,
        withdrawal: page.announced && { amount: page.announced.amount, requestedAt: page.announced.at },
        refundNonce: page.nonce,
      });
    }

    await scene.send({ kind: 'settle', receiver: RECEIVER, token: TOKEN });
    const pages = [...paper.values()];
    const sum = (of: (page: OnPaper) => bigint) => pages.reduce((total, page) => total + of(page), 0n);
    const paid = (await scene.channels.receiver(RECEIVER, TOKEN, 'latest')).totalSettled - paidBefore;
    expect(paid).toBe(sum(({ claimed }) => claimed));
    const held = (await scene.usdc.balance(BATCH_CONTRACTS.settlement)) - before;
    expect(held).toBe(sum(({ balance, claimed }) => balance - claimed));
    const back = await Promise.all(open.map(({ payer }) => scene.usdc.balance(payer.address)));
    expect(back.reduce((total, units) => total + units, 0n) + held + paid).toBe(3n * 10n ** 9n);
  });
});
