import { GateStandIn, until } from '../../test/gate-stand-in.js';
import type { CheckRequest, PaymentView } from '../contract.js';
import { NodePaywall } from './node-paywall.js';

let gate: GateStandIn;
let elapsed: number;
let errors: Error[];

beforeEach(async () => {
  gate = await GateStandIn.start();
  elapsed = 0;
  errors = [];
});
afterEach(() => gate.stop());

const open = (timeoutMs = 10_000): NodePaywall =>
  new NodePaywall({
    gateUrl: gate.url,
    key: 'fbx_key',
    timeoutMs,
    elapsed: () => elapsed,
    onError: (error) => errors.push(error),
  });

const paid = (signature: string): CheckRequest => ({
  method: 'GET',
  url: 'https://shop.example/a',
  meter: 'api.calls',
  paymentSignature: signature,
});

const REPLY = { status: 200, headers: {}, body: '' };

/** Asks for so many payments at once. @returns the payments that are to be served */
async function admitted(paywall: NodePaywall, count: number, name = 'ok'): Promise<PaymentView[]> {
  const asked = Array.from({ length: count }, (_, i) => paywall.admit(paid(`${name}-${i}`)));
  return (await Promise.all(asked)).flatMap((each) => (each.kind === 'serve' ? [each.payment] : []));
}

const distinct = (payments: readonly PaymentView[]): number => new Set(payments.map(({ id }) => id)).size;

describe('questions to the gate', () => {
  it('of one moment share an exchange, and each gets the answer to it', async () => {
    const paywall = open();
    const payments = await admitted(paywall, 300);
    expect(distinct(payments)).toBe(300);
    expect(gate.batches).toEqual([256, 44]);
    const releases = await Promise.all(payments.map((payment) => paywall.capture(payment, REPLY, undefined)));
    expect(releases.every(({ kind }) => kind === 'release')).toBe(true);
    expect(gate.keys).toEqual(Array(4).fill('Bearer fbx_key'));
  });

  it('of different kinds share one as well', async () => {
    const paywall = open();
    const [first, second] = await admitted(paywall, 2);
    if (!first || !second) throw new Error('nothing was admitted');
    const [released, , extended, refused] = await Promise.all([
      paywall.capture(first, REPLY, undefined),
      paywall.void(second, 'x'),
      paywall.extend(first, '0', '1'),
      paywall.admit(paid('bad-1')),
    ]);
    expect(gate.batches).toEqual([2, 4]);
    expect([released.kind, extended, refused]).toEqual([
      'release',
      expect.objectContaining({ decision: 'stop' }),
      { kind: 'answer', reply: expect.objectContaining({ status: 409 }) },
    ]);
    expect(gate.statusOf('ok-1')).toBe('voided');
  });

  it('that come alone go by the route of their own', async () => {
    expect(await admitted(open(), 1)).toHaveLength(1);
    expect(gate.batches).toEqual([]);
  });

  it('are asked again by themselves when the exchange broke off, and serve once', async () => {
    gate.misbehaviours.push({ step: 'check', how: 'do and hang up' });
    const payments = await admitted(open(), 3);
    // The first of the three was claimed, and the stand-in knows no attempts: it is refused when it is asked again.
    expect(distinct(payments)).toBe(payments.length);
    expect(gate.batches).toEqual([3]);
    expect(gate.steps).toHaveLength(6);
    expect(errors).toEqual([]);
  });

  it('fail by themselves', async () => {
    gate.misbehaviours.push({ step: 'check', how: { status: 503, body: 'no database' } });
    expect(await admitted(open(), 5)).toHaveLength(4);
    expect(errors).toEqual([expect.objectContaining({ step: 'check', status: 503 })]);
  });

  it('never serve without an answer', async () => {
    for (let i = 0; i < 4; i += 1) gate.misbehaviours.push({ step: 'check', how: 'never answer' });
    expect(await admitted(open(100), 2)).toHaveLength(0);
    expect(gate.batches).toEqual([2]);
    expect(errors).toEqual(Array(2).fill(expect.objectContaining({ step: 'check', status: undefined })));
  });

  it('that wait long hold back no others', async () => {
    const paywall = open();
    for (let i = 0; i < 8; i += 1) gate.misbehaviours.push({ step: 'check', how: 'hold' });
    const held = [0, 1, 2, 3].map((i) => {
      const two = admitted(paywall, 2, `ok-held-${i}`);
      return new Promise<void>((resolve) => setImmediate(resolve)).then(() => two);
    });
    await until(() => gate.batches.length === 4 || gate.steps.length >= 8);
    expect(await admitted(paywall, 3, 'ok-later')).toHaveLength(3);
    gate.answerHeld();
    expect((await Promise.all(held)).flat()).toHaveLength(8);
  });

  it('go one by one to a gate that knows no exchange of many, and try again after a minute', async () => {
    gate.batchStatus = 404;
    const paywall = open();
    expect(await admitted(paywall, 3, 'ok-a')).toHaveLength(3);
    gate.batchStatus = undefined;
    elapsed = 59_999;
    expect(await admitted(paywall, 3, 'ok-b')).toHaveLength(3);
    expect(gate.batches).toEqual([3]);
    elapsed = 60_000;
    expect(await admitted(paywall, 3, 'ok-c')).toHaveLength(3);
    expect(gate.batches).toEqual([3, 3]);
  });

  it('are refused together when the key is', async () => {
    gate.batchStatus = 401;
    expect(await admitted(open(), 3)).toHaveLength(0);
    expect(errors).toEqual(Array(3).fill(expect.objectContaining({ status: 401 })));
    expect(gate.steps).toEqual([]);
  });

  it('with a long body travel by themselves', async () => {
    const paywall = open();
    const payments = await admitted(paywall, 3);
    const reply = { ...REPLY, body: Buffer.alloc(120_000).toString('base64') };
    await Promise.all(payments.map((payment) => paywall.capture(payment, reply, undefined)));
    expect(gate.batches).toEqual([3]);
    expect(gate.captures).toHaveLength(3);
  });
});
