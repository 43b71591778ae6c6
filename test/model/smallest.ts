import { differenceIn } from './difference.js';
import type { Case, Story } from './story.js';

/** The same case with one thing less, one after the other. */
function* smaller(told: Case): Generator<Case> {
  const without = <Item>(items: readonly Item[], i: number): Item[] => items.filter((_, k) => k !== i);
  for (const i of told.paid.keys()) yield { ...told, paid: without(told.paid, i) };
  for (const i of told.stories.keys()) yield { ...told, stories: without(told.stories, i) };
  for (const [i, offer] of told.offers.entries()) {
    if (told.offers.length > 1 && told.paid.length === 0) yield { ...told, offers: without(told.offers, i) };
    for (const name of Object.keys(offer.modifiers)) {
      const modifiers = Object.fromEntries(Object.entries(offer.modifiers).filter(([key]) => key !== name));
      yield { ...told, offers: told.offers.with(i, { ...offer, modifiers }) };
    }
  }
  for (const [i, story] of told.stories.entries()) {
    for (const k of story.fixes.keys()) {
      const less: Story = { ...story, fixes: without(story.fixes, k) };
      yield { ...told, stories: told.stories.with(i, less) };
    }
  }
  if (told.meter.versions.length > 1)
    yield { ...told, meter: { ...told.meter, versions: told.meter.versions.slice(0, 1) } };
  const { aggregation, versions, groupBy, itemized } = told.meter;
  yield { ...told, meter: { aggregation, versions, groupBy, itemized } };
}

/** What is left of a failing case when nothing more can be taken away. */
export function smallest(told: Case, seed: number): Case {
  const size = JSON.stringify(told).length;
  for (const less of smaller(told)) {
    if (JSON.stringify(less).length < size && differenceIn(less, seed) !== undefined) return smallest(less, seed);
  }
  return told;
}
