import { instant } from '@core/time';
import fc from 'fast-check';
import { createSiweMessage } from 'viem/siwe';
import { placeOf, readSignIn, type SignIn, SIGN_IN_MS, signInProblem, signInText } from './index.js';

const URL_OF = 'https://api.example.com/v1/search?q=1';
const now = instant(1_795_000_000_000);
const iso = (ms: number) => new Date(ms).toISOString();

const signIn: SignIn = {
  domain: 'api.example.com',
  address: '0xF39Fd6e51aad88F6F4ce6aB8827279cffFb92266',
  uri: URL_OF,
  version: '1',
  chainId: 'eip155:8453',
  type: 'eip191',
  nonce: 'a'.repeat(32),
  issuedAt: iso(now - 1_000),
  signature: `0x${'11'.repeat(65)}`,
};

const place = placeOf(URL_OF);
if (!place) throw new Error('the URL of the test is none');

const header = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64');
const problem = (change: Partial<Record<keyof SignIn, unknown>>) => {
  const reading = readSignIn(header({ ...signIn, ...change }));
  return reading.ok ? signInProblem(reading.signIn, place, now) : 'unread';
};

describe('the text that is signed', () => {
  it('is that of the public library, whatever fields there are', () => {
    const words = fc.stringMatching(/^[A-Za-z0-9 .,]{1,40}$/);
    const time = fc.integer({ min: 1_700_000_000_000, max: 1_900_000_000_000 });
    fc.assert(
      fc.property(
        fc.record(
          {
            chainId: fc.integer({ min: 1, max: 2 ** 40 }),
            issuedAt: time,
            statement: words,
            expirationTime: time,
            notBefore: time,
            requestId: words,
            resources: fc.array(fc.webUrl(), { minLength: 1, maxLength: 3 }),
          },
          { requiredKeys: ['chainId', 'issuedAt'] },
        ),
        ({ chainId, issuedAt, expirationTime, notBefore, ...rest }) => {
          const optional = {
            ...(expirationTime === undefined ? {} : { expirationTime: iso(expirationTime) }),
            ...(notBefore === undefined ? {} : { notBefore: iso(notBefore) }),
          };
          const ours = signInText({
            ...signIn,
            ...rest,
            ...optional,
            chainId: `eip155:${chainId}`,
            issuedAt: iso(issuedAt),
          });
          const theirs = createSiweMessage({
            domain: signIn.domain,
            address: '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266',
            uri: signIn.uri,
            version: '1',
            nonce: signIn.nonce,
            ...rest,
            chainId,
            issuedAt: new Date(issuedAt),
            ...(expirationTime === undefined ? {} : { expirationTime: new Date(expirationTime) }),
            ...(notBefore === undefined ? {} : { notBefore: new Date(notBefore) }),
          });
          expect(ours.toLowerCase()).toBe(theirs.toLowerCase());
        },
      ),
    );
  });
});

describe('a sign-in', () => {
  it('holds when it is for this place and time', () => {
    expect(problem({})).toBeUndefined();
    expect(problem({ uri: 'https://api.example.com/else' })).toBeUndefined();
    expect(problem({ expirationTime: iso(now + 1), notBefore: iso(now), signatureScheme: 'eip191' })).toBeUndefined();
  });

  it('is refused in the order of the extension, each fault by its code', () => {
    // Each change is kept as the next is taken back from the end: the first fault is the one that is told.
    const faults: [Partial<Record<keyof SignIn, unknown>>, string][] = [
      [{ domain: 'api.example.com:8443' }, 'invalid_siwx_domain_mismatch'],
      [{ uri: 'http://api.example.com/v1/search' }, 'invalid_siwx_uri_mismatch'],
      [{ issuedAt: 'yesterday' }, 'invalid_siwx_issued_at'],
      [{ expirationTime: '2026' }, 'invalid_siwx_expiration_time'],
      [{ notBefore: 'soon' }, 'invalid_siwx_not_before'],
      [{ chainId: 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp' }, 'invalid_siwx_unsupported_chain'],
      [{ signature: '0x12' }, 'invalid_siwx_malformed_signature'],
    ];
    for (let from = 0; from < faults.length; from += 1) {
      const all = Object.assign({}, ...faults.slice(from).map(([change]) => change)) as Partial<SignIn>;
      expect(problem(all)).toBe(faults[from]?.[1]);
    }
  });

  it.each([
    [{ issuedAt: iso(now - SIGN_IN_MS - 1) }, 'invalid_siwx_issued_at_too_old'],
    [{ issuedAt: iso(now - SIGN_IN_MS) }, undefined],
    [{ issuedAt: iso(now + 5_000) }, undefined],
    [{ issuedAt: iso(now + 5_001) }, 'invalid_siwx_issued_at_in_future'],
    [{ expirationTime: iso(now) }, 'invalid_siwx_expired'],
    [{ notBefore: iso(now + 1) }, 'invalid_siwx_not_yet_valid'],
    [{ chainId: 'eip155:0' }, 'invalid_siwx_chain_id'],
    [{ chainId: 'eip155:1e3' }, 'invalid_siwx_chain_id'],
    [{ type: 'ed25519' }, 'invalid_siwx_unsupported_chain'],
    [{ signatureScheme: 'eip1271' }, 'invalid_siwx_unsupported_chain'],
    [{ signature: `0x${'1'.repeat(129)}` }, 'invalid_siwx_malformed_signature'],
  ])('%j → %s', (change, expected) => {
    expect(problem(change)).toBe(expected);
  });

  it('has to name the exact URL where that is asked for', () => {
    const exact = placeOf('https://api.example.com/v1/accounts/acct_1/identities', true);
    if (!exact) throw new Error('the URL of the test is none');
    expect(signInProblem(signIn, exact, now)).toBe('invalid_siwx_uri_mismatch');
    expect(signInProblem({ ...signIn, uri: exact.uri ?? '' }, exact, now)).toBeUndefined();
  });

  it('is not read when a field could write another line of the text', () => {
    for (const field of ['domain', 'uri', 'statement', 'nonce', 'requestId', 'issuedAt', 'expirationTime'] as const) {
      for (const end of ['\n', '\r', '\u2028', '\u0085']) expect(problem({ [field]: `x${end}URI: y` })).toBe('unread');
    }
    expect(problem({ resources: ['https://a.example\nURI: b'] })).toBe('unread');
    expect(problem({ address: '0x12' })).toBe('unread');
    expect(problem({ version: '2' })).toBe('unread');
  });

  it('is not read from anything but base64 of one JSON object', () => {
    for (const bad of ['', 'x', '{}', header([]), header('x'), `${header(signIn)}=`, header(signIn).slice(1)]) {
      expect(readSignIn(bad).ok).toBe(false);
    }
    expect(readSignIn(Buffer.from('{"version":"1","version":"1"}').toString('base64')).ok).toBe(false);
  });
});
