import { addMs, instant } from '@core/time';
import fc from 'fast-check';
import { agentHostOf, judgeCovered, judgeParameters, keyHolds, readDirectory } from './index.js';

const seconds = 1_795_000_000;
const now = instant(seconds * 1000);
const keyid = 'A'.repeat(43);
const fresh = { created: seconds - 1, expires: seconds + 60, keyid, alg: undefined };

describe('what a signature says of itself', () => {
  it('is taken within 30 s, give or take 5', () => {
    fc.assert(
      fc.property(fc.integer({ min: -200, max: 200 }), fc.integer({ min: 1, max: 400 }), (offset, length) => {
        const created = seconds + offset;
        const expires = created + length;
        const judged = judgeParameters({ ...fresh, created, expires }, now);
        if (offset > 5) expect(judged).toBe('signature_from_the_future');
        else if (offset < -35 || expires < seconds - 5) expect(judged).toBe('signature_expired');
        else expect(judged).toEqual({ keyid, created });
      }),
    );
  });

  it.each([
    [{ created: undefined }],
    [{ expires: undefined }],
    [{ created: seconds + 60 }],
    [{ created: String(seconds) }],
    [{ created: Number.NaN }],
    [{ expires: seconds + 0.5 }],
    [{ keyid: undefined }],
    [{ keyid: 'test-key' }],
    [{ keyid: `${keyid}A` }],
  ])('%j is incomplete', (change) => {
    expect(judgeParameters({ ...fresh, ...change }, now)).toBe('signature_incomplete');
  });

  it('is ed25519 when it names an algorithm', () => {
    expect(judgeParameters({ ...fresh, alg: 'ed25519' }, now)).toEqual({ keyid, created: seconds - 1 });
    expect(judgeParameters({ ...fresh, alg: 'hmac-sha256' }, now)).toBe('invalid_signature');
  });
});

describe('what a signature covers', () => {
  const plain = (...names: string[]) => names.map((name) => ({ name, parameters: [] }));
  const without = { paymentSignature: false, nameTarget: false };

  it('has the authority and the agent always', () => {
    expect(judgeCovered(plain('@authority', 'signature-agent'), without)).toBeUndefined();
    expect(judgeCovered(plain('@target-uri', 'signature-agent'), without)).toBeUndefined();
    expect(
      judgeCovered([...plain('@authority'), { name: 'signature-agent', parameters: ['key'] }], without),
    ).toBeUndefined();
    for (const names of [[], ['@authority'], ['signature-agent'], ['@path', 'signature-agent']]) {
      expect(judgeCovered(plain(...names), without)).toBe('signature_incomplete');
    }
    const ofAnother = [{ name: '@authority', parameters: ['req'] }, ...plain('signature-agent')];
    expect(judgeCovered(ofAnother, without)).toBe('signature_incomplete');
  });

  it('has the payment when there is one, and the target where an account is named', () => {
    const least = plain('@authority', 'signature-agent');
    expect(judgeCovered(least, { ...without, paymentSignature: true })).toBe('invalid_payment_signature');
    expect(
      judgeCovered([...least, ...plain('payment-signature')], { ...without, paymentSignature: true }),
    ).toBeUndefined();
    expect(judgeCovered(least, { ...without, nameTarget: true })).toBe('signature_incomplete');
    expect(judgeCovered([...least, ...plain('@path')], { ...without, nameTarget: true })).toBeUndefined();
  });
});

describe('the host in Signature-Agent', () => {
  it.each([
    ['"https://agent.example"', 'agent.example'],
    ['"https://Agent.Example/"', 'agent.example'],
    ['agent.example', 'agent.example'],
    ['"agent.example:8443"', 'agent.example:8443'],
    ['agent.example:443', 'agent.example'],
    ['sig1="https://agent.example:8443"', 'agent.example:8443'],
    ['"https://bücher.example"', undefined],
    ['"https://xn--bcher-kva.example"', 'xn--bcher-kva.example'],
    ['"http://localhost:4021"', 'localhost:4021'],
  ])('%s → %s', (header, host) => {
    expect(agentHostOf(header)).toBe(host);
  });

  it.each([
    '',
    '"',
    '"http://agent.example"',
    '"https://agent.example/path"',
    '"https://agent.example?x"',
    '"https://user@agent.example"',
    '"https://10.0.0.1"',
    '"https://0x7f000001.example:99999"',
    '"https://[::1]"',
    '"https://agent"',
    '"https://agent.example", "https://other.example"',
    'a="https://agent.example", b="https://other.example"',
    '"ftp://agent.example"',
    `"https://${'a'.repeat(64)}.example"`,
    'x'.repeat(513),
  ])('%s names none', (header) => {
    expect(agentHostOf(header)).toBeUndefined();
  });
});

describe('a key directory', () => {
  const x = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo';

  it('gives its ed25519 keys and leaves others out', () => {
    const document = {
      keys: [
        { kty: 'OKP', crv: 'Ed25519', x, kid: 'whatever', use: 'sig' },
        { kty: 'RSA', n: 'AA', e: 'AQAB' },
        { kty: 'OKP', crv: 'X25519', x },
        { kty: 'OKP', crv: 'Ed25519', x: `${x}A` },
        { kty: 'OKP', crv: 'Ed25519', x, use: 'enc' },
      ],
      purpose: 'rag',
    };
    expect(readDirectory(document)).toEqual([{ x, notBefore: undefined, notAfter: undefined }]);
    for (const bad of [
      undefined,
      [],
      {},
      { keys: 'x' },
      { keys: [1] },
      { keys: Array.from({ length: 65 }, () => ({})) },
    ]) {
      expect(readDirectory(bad)).toBeUndefined();
    }
  });

  it('bounds a key in time, written in seconds or milliseconds', () => {
    for (const unit of [1, 1000]) {
      const [key] =
        readDirectory({
          keys: [{ kty: 'OKP', crv: 'Ed25519', x, nbf: seconds * unit, exp: (seconds + 10) * unit }],
        }) ?? [];
      if (!key) throw new Error('the key was not read');
      expect([-1, 0, 9_999, 10_000].map((ms) => keyHolds(key, addMs(now, ms)))).toEqual([false, true, true, false]);
    }
  });
});
