import { ID_PREFIXES, isId } from '@core/ids';
import { type TopUpView, viewOfTopUp } from './top-up.js';
import type { TopUpsStore } from './topups.store.js';

/** The public status of a top-up, for whoever knows its id. */
export class ReadTopUp {
  constructor(
    private readonly store: TopUpsStore,
    private readonly settings: { readonly publicUrl: string },
  ) {}

  async run(id: string): Promise<TopUpView | undefined> {
    const topUp = isId(id, ID_PREFIXES.topUp) ? await this.store.find(id) : undefined;
    return topUp && viewOfTopUp(topUp, this.settings.publicUrl);
  }
}
