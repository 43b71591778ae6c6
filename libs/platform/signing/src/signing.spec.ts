import { calculateJwkThumbprint } from 'jose';
import { checkSignature, Ed25519Keys } from './index.js';

const FIRST = '11'.repeat(32);
const SECOND = '22'.repeat(32);
const URL = 'https://pay.example.com:8443/';

describe('signing with Ed25519', () => {
  const keys = new Ed25519Keys([FIRST, SECOND], URL);

  /** The keys as a checker gets them: over the wire. */
  const published = (of: Ed25519Keys) => JSON.parse(JSON.stringify(of.jwks()));

  it('signs with the first key, which is named by a DID URL with its thumbprint', async () => {
    const [first] = keys.jwks().keys;
    if (!first) throw new Error('no key is published');
    expect(keys.keyId).toBe(`did:web:pay.example.com%3A8443#${await calculateJwkThumbprint({ ...first })}`);
    const jws = keys.sign({ b: 'two', a: 1 }, 'thing+jws');
    expect(await checkSignature(jws, published(keys))).toEqual({
      ok: true,
      keyId: keys.keyId,
      type: 'thing+jws',
      document: { a: 1, b: 'two' },
    });
    expect(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString()).toBe('{"a":1,"b":"two"}');
  });

  it('signs the same document with the same bytes', () => {
    expect(keys.sign({ a: '1', b: ['x'] })).toBe(keys.sign({ b: ['x'], a: '1' }));
  });

  it('keeps publishing a key that another one replaced', async () => {
    const before = new Ed25519Keys([SECOND], URL).sign({ old: true });
    expect(await checkSignature(before, published(keys))).toMatchObject({ ok: true, document: { old: true } });
    const after = keys.sign({ old: false });
    expect(await checkSignature(after, published(new Ed25519Keys([SECOND], URL)))).toEqual({
      ok: false,
      message: 'the key it names is not among the published ones',
    });
  });

  it('takes no other text, no other signature, no other algorithm', async () => {
    const [header = '', body = '', signature = ''] = keys.sign({ amount: '1' }).split('.');
    const other = Buffer.from('{"amount":"2"}').toString('base64url');
    const none = Buffer.from(JSON.stringify({ alg: 'none', kid: keys.keyId })).toString('base64url');
    for (const forged of [`${header}.${other}.${signature}`, `${none}.${body}.`, `${header}.${body}`, 'no jws']) {
      expect(await checkSignature(forged, published(keys))).toMatchObject({ ok: false });
    }
  });

  it('publishes no private part', () => {
    expect(JSON.stringify([keys.jwks(), keys.didDocument()])).not.toMatch(/"d":/);
  });
});
