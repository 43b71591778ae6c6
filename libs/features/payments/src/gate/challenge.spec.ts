import { type Quote, requirementsOf } from '@core/payments';
import { instant } from '@core/time';
import {
  decodePaymentHeader,
  decodePaymentRequired,
  encodePaymentPayload,
  OFFER_RECEIPT,
  PAYMENT_IDENTIFIER,
} from '@core/x402';
import { Ed25519Keys } from '@platform/signing';
import { HeldClock, USDC } from '../../../../../test/support/paid-path.js';
import { SignedOffers } from '../receipts/signed-offers.js';
import { Challenges } from './challenge.js';
import { QuoteSealer } from './quote-sealer.js';

const keys = new Ed25519Keys(['66'.repeat(32)], 'https://a-rather-long-name-for-a-host.billing.example.com');
const at = instant(1_800_000_000_000);

const quoteFor = (url: string): Quote => ({
  provider: `prv_${'a'.repeat(32)}`,
  request: { method: 'GET', url, bodyDigest: '', meter: 'calls', quantity: '1' },
  meterId: `mtr_${'b'.repeat(32)}`,
  priceId: `prc_${'c'.repeat(32)}`,
  amount: 123_456_789n,
  asset: USDC,
  payTo: `0x${'7e'.repeat(20)}`,
  release: 'submitted',
  issuedAt: 1_800_000_000,
  expiresAt: 1_800_000_300,
});

/** A challenge of two schemes for a URL, as a client decodes it. */
function challengeFor(url: string, description?: string) {
  const quote = quoteFor(url);
  const schemes = ['batch-settlement', 'exact'].map((scheme) => ({
    offer: (of: Quote, seal: string) => ({ ...requirementsOf(of, seal), scheme }),
  }));
  const challenges = new Challenges(
    new QuoteSealer('s'.repeat(40)),
    new HeldClock(at),
    300,
    schemes,
    new SignedOffers(keys),
    undefined,
  );
  const reply = challenges.unpaid(quote, { description });
  const read = decodePaymentRequired(reply.headers['PAYMENT-REQUIRED'] ?? '');
  if (!read.ok) throw new Error(read.message);
  return read.payload;
}

describe('what a challenge asks clients to echo', () => {
  it('has a signature for each offer, in their order', () => {
    const { accepts, extensions } = challengeFor('https://api.example.com/weather');
    const { info } = Object(extensions?.[OFFER_RECEIPT]);
    const signed = info.offers.map(({ signature }: { signature: string }) =>
      JSON.parse(Buffer.from(signature.split('.')[1] ?? '', 'base64url').toString()),
    );
    expect(signed).toEqual(
      accepts.map(({ scheme, network, asset, payTo, amount }) => ({
        version: 1,
        resourceUrl: 'https://api.example.com/weather',
        ...{ scheme, network, asset, payTo, amount },
        validUntil: 1_800_000_300,
      })),
    );
  });

  it('fits into a payment header with the longest payload and the longest name, however long URL and description are', () => {
    let signed = 0;
    for (let length = 30; length <= 2_000; length += 35) {
      const {
        resource,
        accepts,
        extensions = {},
      } = challengeFor(`https://api.example.com/${'x'.repeat(length)}?q=1`, 'é'.repeat(Math.min(200, length)));
      if (OFFER_RECEIPT in extensions) signed += 1;
      for (const accepted of accepts) {
        const header = encodePaymentPayload({
          x402Version: 2,
          resource,
          accepted,
          payload: { type: 'deposit', filling: ['x'.repeat(700), 'x'.repeat(700)] },
          extensions: { ...extensions, [PAYMENT_IDENTIFIER]: { info: { required: false, id: 'n'.repeat(128) } } },
        });
        const read = decodePaymentHeader(header);
        if (!read.ok) throw new Error(`at ${length}: ${read.message}`);
      }
    }
    expect(signed).toBeGreaterThan(3);
  });
});

describe('a challenge of two offers of one scheme', () => {
  const credit = {
    network: 'farebox:credit',
    extensions: { 'http-message-signatures': { info: { tags: ['web-bot-auth'] } } },
    offer: (of: Quote, seal: string) =>
      of.onCredit === false
        ? undefined
        : { ...requirementsOf(of, seal), scheme: 'batch-settlement', network: 'farebox:credit' },
  };
  const channel = {
    offer: (of: Quote, seal: string) => ({ ...requirementsOf(of, seal), scheme: 'batch-settlement' }),
  };
  const challenges = new Challenges(
    new QuoteSealer('s'.repeat(40)),
    new HeldClock(at),
    300,
    [channel, credit],
    undefined,
    undefined,
  );
  const read = (reply: { headers: Readonly<Record<string, string>> }) => {
    const decoded = decodePaymentRequired(reply.headers['PAYMENT-REQUIRED'] ?? '');
    if (!decoded.ok) throw new Error(decoded.message);
    return decoded.payload;
  };

  it('corrects the one whose payment was refused', () => {
    const quote = quoteFor('https://api.example.com/weather');
    const correction = { scheme: 'batch-settlement', network: USDC.network, extra: { channelState: { balance: '1' } } };
    const { accepts } = read(challenges.refused(quote, {}, 'channel_busy', { correction }));
    expect(accepts.map(({ extra }) => Object.hasOwn(extra ?? {}, 'channelState'))).toEqual([true, false]);
  });

  it('says what belongs to an offer where it is made, and not where it is not', () => {
    const quote = quoteFor('https://api.example.com/weather');
    const declared = (of: Quote) => Object.keys(read(challenges.unpaid(of, {})).extensions ?? {});
    expect(declared({ ...quote, onCredit: true })).toContain('http-message-signatures');
    expect(declared({ ...quote, onCredit: false })).not.toContain('http-message-signatures');
  });
});
