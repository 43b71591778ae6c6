import {
  decodePaymentHeader,
  decodePaymentHeaderV1,
  encodePaymentPayloadV1,
  exactAuthorizationOf,
  readPaymentPayload,
} from '@core/x402';
import { AUTHORIZATION, base64, HEADER, PAYLOAD, SIGNATURE, textOf } from './samples.js';

const json = textOf(HEADER);
const refusal = (header: string) => {
  const read = decodePaymentHeader(header);
  if (read.ok) throw new Error('the header was accepted');
  return read;
};
/** The sample with one field of the scheme's payload changed. */
const withField = (field: string, value: unknown) => {
  const own = structuredClone(PAYLOAD);
  const authorization = { ...JSON.parse(JSON.stringify(own.payload['authorization'])), [field]: value };
  return exactAuthorizationOf({ payload: { ...own.payload, authorization } });
};
const nested = (levels: number): string => '{"a":'.repeat(levels) + '1' + '}'.repeat(levels);

describe('a payment header is read in one way only', () => {
  it('takes the sample', () => {
    const read = decodePaymentHeader(HEADER);
    expect(read).toEqual({ ok: true, payload: PAYLOAD });
    if (read.ok) expect(exactAuthorizationOf(read.payload)).toEqual({ ok: true, authorization: AUTHORIZATION });
  });

  describe('base64', () => {
    // One more byte than a multiple of three, so that the text ends in padding and in bits that count for nothing.
    const padded = base64(json.length % 3 === 1 ? json : json.length % 3 === 0 ? `${json} ` : `${json}  `);
    const looseEnd = padded.replace(
      /(.)==$/,
      (_all, last: string) => `${String.fromCharCode(last.charCodeAt(0) + 1)}==`,
    );
    const urlSafe = base64(json.replace('compute', 'compute?>~')).replace(/\+/g, '-').replace(/\//g, '_');

    it('has samples that show what they should', () => {
      expect(padded.endsWith('==')).toBe(true);
      expect(decodePaymentHeader(padded).ok).toBe(true);
      expect(looseEnd).not.toBe(padded);
      expect(textOf(looseEnd)).toBe(textOf(padded));
      expect(urlSafe).toMatch(/[-_]/);
    });

    it.each<[string, string]>([
      ['padding left out', padded.replace(/=+$/, '')],
      ['half the padding', padded.slice(0, -1)],
      ['padding too many', `${padded}=`],
      ['bits behind the end', looseEnd],
      ['the URL-safe alphabet', urlSafe],
      ['a space before', ` ${HEADER}`],
      ['a line break inside', `${HEADER.slice(0, 40)}\n${HEADER.slice(40)}`],
      ['a tab after', `${HEADER}\t`],
      ['a foreign character', `${HEADER.slice(0, 40)}*${HEADER.slice(40)}`],
      ['two texts in one', `${padded}${padded}`],
      ['nothing', ''],
      ['a letter outside ASCII', `${HEADER.slice(0, -1)}é`],
    ])('refuses %s', (_name, header) => {
      expect(refusal(header)).toMatchObject({ reason: 'invalid_payload', message: expect.stringContaining('base64') });
    });
  });

  describe('size and bytes', () => {
    it('takes 8 KiB of text and refuses more', () => {
      const fill = (bytes: number) => base64(json + ' '.repeat(bytes - Buffer.byteLength(json)));
      expect(fill(6144)).toHaveLength(8192);
      expect(decodePaymentHeader(fill(6144)).ok).toBe(true);
      expect(refusal(fill(6145)).message).toContain('8192');
    });

    it.each<[string, Buffer]>([
      [
        'bytes that are not UTF-8',
        Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]),
      ],
      ['an overlong encoding', Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"}')])],
      [
        'a surrogate in UTF-8',
        Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')]),
      ],
    ])('refuses %s', (_name, bytes) => {
      expect(refusal(bytes.toString('base64')).message).toContain('UTF-8');
    });

    it('refuses a byte order mark', () => {
      expect(refusal(base64(`\ufeff${json}`)).message).toContain('JSON');
    });
  });

  describe('JSON', () => {
    const withExtension = (member: string): string => base64(json.replace(/}$/, `,"extensions":${member}}`));

    it.each<[string, string]>([
      ['no JSON', 'x402'],
      ['two documents', `${json}${json}`],
      ['a comment', `${json}//`],
      ['a trailing comma', json.replace(/}$/, ',}')],
      ['single quotes', json.replace(/"/g, "'")],
      ['NaN', json.replace('300', 'NaN')],
      ['a leading zero', json.replace('300', '0300')],
    ])('refuses %s', (_name, text) => {
      expect(refusal(base64(text)).message).toContain('is not JSON');
    });

    it.each(['null', '[]', '"text"', '2', 'true'])('refuses %s in place of an object', (text) => {
      expect(refusal(base64(text)).reason).toBe('invalid_payload');
    });

    it.each<[string, string]>([
      ['at the top', json.replace('"x402Version":2', '"x402Version":2,"x402Version":2')],
      ['in the authorization', json.replace('"value":"10000"', '"value":"1","value":"10000"')],
      ['written with an escape', json.replace('"value":"10000"', '"v\\u0061lue":"1","value":"10000"')],
      ['of which one is ignored', json.replace('{"x402Version"', '{"more":1,"more":2,"x402Version"')],
    ])('refuses a key twice: %s', (_name, text) => {
      expect(text).not.toBe(json);
      expect(refusal(base64(text)).message).toContain('twice');
    });

    it.each(['__proto__', 'constructor', 'prototype', '\\u005f_proto__'])('refuses a key %s anywhere', (key) => {
      expect(refusal(base64(json.replace('{"x402Version"', `{"${key}":{"x":1},"x402Version"`))).message).toContain(
        'not allowed',
      );
      expect(refusal(withExtension(`{"a":{"${key}":1}}`)).message).toContain('not allowed');
    });

    it('takes eight levels and refuses nine', () => {
      expect(decodePaymentHeader(withExtension(nested(7))).ok).toBe(true);
      expect(refusal(withExtension(nested(8))).message).toContain('deeper');
      expect(refusal(base64('['.repeat(3000) + ']'.repeat(3000))).message).toContain('deeper');
      expect(refusal(base64('['.repeat(6000))).message).toContain('is not JSON');
    });

    it('takes 128 keys in all and refuses 129', () => {
      const own = json.split(':').length - 1 - json.split('https:').length + 1 - (json.split('eip155:').length - 1);
      const keys = (count: number) => `{${Array.from({ length: count }, (_, index) => `"k${index}":1`).join(',')}}`;
      expect(decodePaymentHeader(withExtension(keys(128 - own - 1))).ok).toBe(true);
      expect(refusal(withExtension(keys(128 - own))).message).toContain('128 keys');
    });

    it('takes strings and keys of 2048 characters and refuses 2049', () => {
      expect(decodePaymentHeader(withExtension(`{"a":"${'x'.repeat(2048)}"}`)).ok).toBe(true);
      expect(refusal(withExtension(`{"a":"${'x'.repeat(2049)}"}`)).message).toContain('2048');
      expect(refusal(withExtension(`{"${'x'.repeat(2049)}":1}`)).message).toContain('2048');
    });

    it.each(['1e999', '-1e999'])('refuses %s, which is not finite', (number) => {
      expect(refusal(withExtension(`{"a":${number}}`)).message).toContain('finite');
    });

    it.each(['\\u0000', '\\ud800', '\\udc00x'])('refuses the escape %s, which no column could keep', (escape) => {
      expect(refusal(withExtension(`{"a":"${escape}"}`)).message).toContain('cannot be kept');
      expect(decodePaymentHeader(withExtension('{"a":"\\ud83d\\ude80"}')).ok).toBe(true);
    });
  });

  describe('the form', () => {
    it('takes null for an absent option, ignores unknown fields, keeps what is inside extra and extensions', () => {
      const read = readPaymentPayload({
        ...PAYLOAD,
        resource: null,
        extensions: { a: { info: { x: [1, null] } } },
        unknown: 1,
        accepted: { ...PAYLOAD.accepted, extra: { name: 'USDC', version: '2', own: { deep: true } }, unknown: 1 },
      });
      expect(read).toEqual({
        ok: true,
        payload: {
          ...PAYLOAD,
          resource: undefined,
          extensions: { a: { info: { x: [1, null] } } },
          accepted: { ...PAYLOAD.accepted, extra: { name: 'USDC', version: '2', own: { deep: true } } },
        },
      });
    });

    it('tells a wrong version from a wrong form', () => {
      expect(refusal(base64(json.replace('"x402Version":2', '"x402Version":1'))).reason).toBe('invalid_x402_version');
      expect(refusal(base64(json.replace('"x402Version":2', '"x402Version":"2"'))).reason).toBe('invalid_x402_version');
      expect(refusal(base64(json.replace('"scheme":"exact"', '"scheme":""'))).reason).toBe('invalid_payload');
    });

    const notIntegers = [
      '',
      '0x10',
      ' 12 ',
      '1e3',
      '-1',
      '01',
      '+1',
      '1.0',
      '１',
      '12n',
      (1n << 256n).toString(),
      '9'.repeat(79),
    ];
    it.each(notIntegers)('refuses %j as an integer, in every place', (text) => {
      expect(readPaymentPayload({ ...PAYLOAD, accepted: { ...PAYLOAD.accepted, amount: text } }).ok).toBe(false);
      for (const field of ['value', 'validAfter', 'validBefore']) {
        expect(withField(field, text)).toMatchObject({ ok: false, reason: 'invalid_payload' });
      }
    });

    it.each([10000, 0, true, null, ['10000'], { value: '1' }])('refuses %j in place of an integer text', (value) => {
      expect(withField('value', value).ok).toBe(false);
    });

    it('takes 0 and the largest uint256', () => {
      expect(withField('value', '0').ok).toBe(true);
      const largest = withField('value', ((1n << 256n) - 1n).toString());
      expect(largest.ok && largest.authorization.value).toBe((1n << 256n) - 1n);
    });

    it.each(['from', 'to', 'nonce'])('refuses %s of another length or alphabet and lowers its case', (field) => {
      const digits = field === 'nonce' ? 64 : 40;
      for (const wrong of [
        'ab'.repeat(digits / 2),
        `0X${'a'.repeat(digits)}`,
        `0x${'a'.repeat(digits - 1)}`,
        `0x${'a'.repeat(digits + 1)}`,
        `0x${'g'.repeat(digits)}`,
        `0x${'a'.repeat(digits)}\n`,
      ]) {
        expect(withField(field, wrong)).toMatchObject({ ok: false, reason: 'invalid_payload' });
      }
      const read = withField(field, `0x${'aB'.repeat(digits / 2)}`);
      expect(read.ok && Object.values(read.authorization)).toContain(`0x${'ab'.repeat(digits / 2)}`);
    });

    it('names the missing part and sends Permit2 payloads away by their own code', () => {
      expect(exactAuthorizationOf({ payload: {} })).toMatchObject({ ok: false, reason: 'invalid_payload' });
      expect(exactAuthorizationOf({ payload: { signature: SIGNATURE, permit2Authorization: {} } })).toMatchObject({
        ok: false,
        reason: 'unsupported_payload_type',
      });
    });

    it('never quotes what was sent', () => {
      const secret = 'S3CRET'.repeat(10);
      for (const text of [
        json.replace('"10000"', `"${secret}"`),
        json.replace('{"x402', `{"${secret}":1,"${secret}":2,"x402`),
        secret,
        `{"${secret}":`,
      ]) {
        expect(refusal(base64(text)).message).not.toContain('S3CRET');
      }
    });
  });

  it('reads version 1 by the same rules', () => {
    const own = { x402Version: 1, scheme: 'exact', network: 'base-sepolia', payload: PAYLOAD.payload } as const;
    const header = encodePaymentPayloadV1(own);
    const read = decodePaymentHeaderV1(header);
    expect(read).toEqual({ ok: true, payload: own });
    if (read.ok) expect(exactAuthorizationOf(read.payload)).toEqual({ ok: true, authorization: AUTHORIZATION });
    expect(decodePaymentHeaderV1(HEADER)).toMatchObject({ ok: false, reason: 'invalid_x402_version' });
    expect(decodePaymentHeader(header)).toMatchObject({ ok: false, reason: 'invalid_x402_version' });
    expect(decodePaymentHeaderV1(`${header} `).ok).toBe(false);
    expect(decodePaymentHeaderV1(base64(textOf(header).replace('{"x402', '{"scheme":"exact","x402'))).ok).toBe(false);
  });
});
