import type { Dice } from './dice.js';
import { DAY, NOVEMBER, OCTOBER, QUARTER } from './story.js';

/** An instant in the two months; often one at which something else happens, or a millisecond beside it. */
export function randomInstant(dice: Dice, marks: readonly number[], until = NOVEMBER.end): number {
  const length = until - OCTOBER.start;
  // Thirds of November, which no decimal holds.
  const third = NOVEMBER.start + dice.between(1, 2) * 10 * DAY;
  if (dice.chance(0.08) && third < until) return third;
  const at = OCTOBER.start + dice.below(length);
  if (marks.length > 0 && dice.chance(0.4)) {
    const mark = (marks[dice.below(marks.length)] ?? at) + dice.between(-1, 1);
    if (mark < until) return Math.max(mark, OCTOBER.start);
  }
  const step = dice.of([1, 1, QUARTER, DAY]);
  return Math.max(OCTOBER.start, at - (at % step));
}
