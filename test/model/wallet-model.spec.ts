import { Dice } from './dice.js';
import { NaiveWallet } from './wallet-naive.js';
import { PureWallet } from './wallet-product.js';
import { DatabaseWallet } from './wallet-on-database.js';
import { NOON, WalletScene } from './wallet-scene.js';
import { randomStory, type WalletSeen } from './wallet-story.js';

// Random stories of one wallet, told to the product and to a model that shares no code with it. After every step: the same answer,
// the same balances, grants, holds and limits, and what always holds.

/** A million operations are for `CASES=1000000`. */
const CASES = Number(process.env.CASES ?? 20_000);
/** Operations through the database. */
const OPERATIONS = Number(process.env.OPERATIONS ?? 2_000);
const FIRST = Number(process.env.FIRST_CASE ?? 1);
const LENGTH = 50;

describe('wallets', () => {
  it(`are what an independent model says, in ${CASES} operations`, () => {
    for (let told = 0, seed = FIRST; told < CASES; told += LENGTH, seed += 1) {
      const story = randomStory(new Dice(seed), LENGTH);
      const naive = new NaiveWallet(story, NOON);
      const pure = new PureWallet(story, NOON);
      story.steps.forEach((step, n) => {
        const expected = { answer: naive.tell(step), ...naive.seen() };
        const product = { answer: pure.tell(step), ...pure.seen() };
        holds(product, story.creditLimit);
        if (JSON.stringify(product) === JSON.stringify(expected)) return;
        expect({ seed, n, step, ...product }).toEqual({ seed, n, step, ...expected });
      });
    }
  }, 3_600_000);

  it(`are the same through the database, in ${OPERATIONS} operations`, async () => {
    const scene = await WalletScene.open();
    try {
      for (let told = 0, seed = FIRST; told < OPERATIONS; told += LENGTH, seed += 1) {
        const story = randomStory(new Dice(seed), LENGTH);
        scene.clock.at = NOON;
        const naive = new NaiveWallet(story, NOON);
        const product = await DatabaseWallet.open(scene, story);
        for (const [n, step] of story.steps.entries()) {
          const expected = { answer: naive.tell(step), ...naive.seen() };
          const kept = { answer: await product.tell(step), ...(await product.seen()) };
          holds(kept, story.creditLimit);
          expect({ seed, n, step, ...kept }).toEqual({ seed, n, step, ...expected });
        }
        expect(await product.faults()).toEqual([]);
      }
    } finally {
      await scene.close();
    }
  }, 3_600_000);
});

/** What always holds, whatever the model says. */
function holds({ posted, held, grants, holds: all }: WalletSeen, creditLimit: number): void {
  if (Number(posted) - Number(held) < -creditLimit)
    throw new Error(`${posted} less ${held} is below the limit of -${creditLimit}`);
  for (const [remaining, aside, ...gone] of grants) {
    const numbers = [remaining, aside, ...gone].map(Number);
    if (numbers.some((number) => number < 0) || Number(aside) > Number(remaining))
      throw new Error(`a grant is ${numbers.join(' ')}`);
  }
  const open = all.filter(([state]) => state === 'held').reduce((sum, [, amount]) => sum + Number(amount), 0);
  if (open !== Number(held)) throw new Error(`holds sum to ${open}, the wallet says ${held}`);
}
