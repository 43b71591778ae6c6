import { decodePaymentHeader, encodePaymentPayload } from '@core/x402';
import { type Channel, ChannelPath } from '../../../../../test/support/channel-path.js';
import { ANSWER, body, paymentOf, replyOf } from '../../../../../test/support/paid-path.js';

const PRICE = 4_000n;
const URL = 'https://api.example.com/hello';

describe('a voucher under a name', () => {
  let path: ChannelPath;

  beforeAll(async () => {
    path = await ChannelPath.open();
  });

  afterAll(() => path.close());

  const present = async (channel: Channel, ceiling: bigint, id: string, url = URL, through = path.a) => {
    const read = decodePaymentHeader(await path.header(channel, ceiling, { url }));
    if (!read.ok) throw new Error(read.message);
    const extensions = { 'payment-identifier': { info: { required: false, id } } };
    return path.check({ url, paymentSignature: encodePaymentPayload({ ...read.payload, extensions }) }, through);
  };

  const capture = (payment: string) =>
    path.a.capture.run({ provider: path.provider, request: { payment, reply: ANSWER } });

  const charged = async (channel: Channel): Promise<string> => (await path.row(channel)).charged;

  it('is charged once, whatever ceilings are signed under it', async () => {
    const channel = path.channel(100_000n);
    const first = paymentOf(await present(channel, PRICE, 'the-name-of-a-call'));
    const meanwhile = replyOf(await present(channel, 2n * PRICE, 'the-name-of-a-call', URL, path.b));
    expect(body(meanwhile)).toMatchObject({ status: 409, reason: 'payment_in_progress' });
    await capture(first.id);
    const again = await present(channel, 2n * PRICE, 'the-name-of-a-call');
    expect({ decision: again.decision, body: replyOf(again).body }).toEqual({ decision: 'replay', body: ANSWER.body });
    expect(await charged(channel)).toBe('4000');

    // What was let go for it is free: the same ceiling pays for the next call.
    await capture(paymentOf(await present(channel, 2n * PRICE, 'the-name-of-another')).id);
    expect(await charged(channel)).toBe('8000');
  });

  it('is refused for another request, and named again after its call was not served', async () => {
    const channel = path.channel(100_000n);
    const first = paymentOf(await present(channel, PRICE, 'one-name-two-requests'));
    await path.a.void.run({ provider: path.provider, request: { payment: first.id } });
    const second = paymentOf(await present(channel, PRICE, 'one-name-two-requests'));
    await capture(second.id);
    const other = replyOf(await present(channel, 2n * PRICE, 'one-name-two-requests', `${URL}?other`));
    expect(body(other)).toMatchObject({ status: 409, reason: 'payment_identifier_taken' });
    expect(await charged(channel)).toBe('4000');
  });

  it('is served once when 60 ceilings are presented under it at once', async () => {
    const channel = path.channel(1_000_000n);
    const decisions = await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        present(channel, BigInt(i + 1) * PRICE, 'a-name-for-many-calls', URL, i % 2 ? path.a : path.b),
      ),
    );
    const serving = decisions.flatMap((decision) => (decision.decision === 'serve' ? [decision.payment.id] : []));
    expect(serving).toHaveLength(1);
    const { rows } = await path.owner.query<{ id: string }>(
      "SELECT v.id FROM vouchers v JOIN channels c ON c.id = v.channel WHERE c.channel_id = decode($1, 'hex') AND v.state = 'reserved'",
      [channel.id.slice(2)],
    );
    expect(rows.map(({ id }) => id)).toEqual(serving);
  });
});
