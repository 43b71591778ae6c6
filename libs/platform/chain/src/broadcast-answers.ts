import type { BroadcastAnswer } from '@core/settlement';

/**
 * What nodes write when they turn signed bytes down. There is no standard; these are the words of geth (and of what is built
 * on it), reth, nethermind, erigon, besu and anvil. What is not listed proves nothing.
 */
const MEANINGS: readonly (readonly [RegExp, 'accepted' | 'nonce-used' | 'underpriced' | 'no-funds' | 'refused'])[] = [
  [/already known|already imported|known transaction|alreadyknown|already in mempool/i, 'accepted'],
  [/nonce too low|nonce is too low|oldnonce|nonce has already been used/i, 'nonce-used'],
  [/underpriced|fee too low|feetoolow|less than block base fee|fee cap less than/i, 'underpriced'],
  [/insufficient funds|insufficient balance|insufficientfunds|upfront cost exceeds/i, 'no-funds'],
  [
    /exceeds block gas limit|gas limit too high|exceeds.*gas (?:limit|cap)|gas limit is greater|gaslimitexceeded/i,
    'refused',
  ],
  [/intrinsic gas|oversized data|invalid sender|type not supported|invalid chain id|rlp/i, 'refused'],
];

/** Sorts a node's refusal of signed bytes by what it means for them. */
export function answerTo(message: string): BroadcastAnswer {
  const kind = MEANINGS.find(([words]) => words.test(message))?.[1] ?? 'unclear';
  return kind === 'refused' || kind === 'unclear' ? { kind, reason: message.slice(0, 200) } : { kind };
}
