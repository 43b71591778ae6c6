/** Places between two durable steps of collecting, where a fault test ends the process. */
export const COLLECTION_PLACES = [
  'collections.attempt-stored',
  'collections.intent-created',
  'collections.intent-stored',
  'collections.before-confirm',
  'collections.confirmed',
  'collections.intent-read',
  'collections.outcome-stored',
  'collections.canceled',
] as const;

export type CollectionPlace = (typeof COLLECTION_PLACES)[number];

/** Does nothing, except in a fault test. */
export abstract class CollectionCrashPoint {
  abstract reach(place: CollectionPlace): void;
}
