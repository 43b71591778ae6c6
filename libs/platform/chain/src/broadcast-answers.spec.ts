import { answerTo } from './broadcast-answers.js';

describe('what a node says to signed bytes', () => {
  it.each([
    ['already known', 'accepted'],
    ['transaction already imported', 'accepted'],
    ['AlreadyKnown', 'accepted'],
    ['nonce too low: next nonce 5, tx nonce 4', 'nonce-used'],
    ['OldNonce, Current nonce: 5', 'nonce-used'],
    ['replacement transaction underpriced', 'underpriced'],
    ['max fee per gas less than block base fee: address 0x…', 'underpriced'],
    ['insufficient funds for gas * price + value: balance 1', 'no-funds'],
    ['exceeds block gas limit', 'refused'],
    ['intrinsic gas too low', 'refused'],
    ['oversized data', 'refused'],
    ['the sequencer is on holiday', 'unclear'],
  ])('"%s" is %s', (message, kind) => {
    expect(answerTo(message).kind).toBe(kind);
  });
});
