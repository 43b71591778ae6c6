import type { Params } from './params.js';
import type { World } from './world.js';

/** One API request as the resources see it. */
export interface Call {
  readonly world: World;
  readonly params: Params;
  readonly path: string;
  /** The id in the path, empty where there is none. */
  readonly id: string;
  /** The version the caller speaks; absent means an older one. */
  readonly version: string | undefined;
}
