import type { PaywallOptions } from '../options.js';
import { Paywall } from '../paywall.js';
import { gathered } from './gathered-questions.js';
import { KeptConnections } from './kept-connections.js';

/**
 * A paywall on Node: it reaches the gate over connections of its own, which take a fraction of the time that `fetch` does, and puts
 * what it asks at the same moment in one exchange.
 */
export class NodePaywall extends Paywall {
  /** @throws InvalidOptionError */
  constructor(options: PaywallOptions) {
    super(options, (settings) => gathered(settings, new KeptConnections()));
  }
}
