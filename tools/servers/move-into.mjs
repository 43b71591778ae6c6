import { existsSync, renameSync, rmSync } from 'node:fs';

/** Two processes may prepare the same folder at once: whoever is first wins, the other takes what is there. */
export function moveInto(fresh, place) {
  try {
    renameSync(fresh, place);
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    if (!existsSync(place)) throw error;
  }
  return place;
}
