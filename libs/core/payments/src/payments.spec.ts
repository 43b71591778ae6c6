import fc from 'fast-check';
import { parseDecimal } from '@core/money';
import type { ExactAuthorization } from '@core/x402';
import {
  advance,
  captureExact,
  checkAuthorization,
  PAYMENT_STATES,
  PAYMENT_TRANSITIONS,
  quoteLife,
  RELEASE_LEVELS,
  releaseLevel,
  releases,
} from './index.js';

describe('payment states', () => {
  it('move only along the table', () => {
    for (const from of PAYMENT_STATES) {
      for (const to of PAYMENT_STATES) {
        if (PAYMENT_TRANSITIONS[from].includes(to)) expect(advance(from, to)).toBe(to);
        else expect(() => advance(from, to)).toThrow(`cannot go from ${from} to ${to}`);
      }
    }
  });

  it('never serve what was not reserved, never leave settled, never fail what was seen in a block', () => {
    expect(PAYMENT_STATES.filter((from) => PAYMENT_TRANSITIONS[from].includes('served'))).toEqual(['reserved']);
    expect(PAYMENT_TRANSITIONS.settled).toEqual([]);
    expect(PAYMENT_STATES.filter((from) => PAYMENT_TRANSITIONS[from].includes('failed'))).toEqual(['settling']);
  });
});

describe('quotes', () => {
  it('are the same for as long as their bucket lasts, and hold for at least half their life', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1_700_000_000, max: 2_000_000_000 }),
        fc.integer({ min: 30, max: 3600 }),
        (now, seconds) => {
          const { issuedAt, expiresAt } = quoteLife(now, seconds);
          expect(issuedAt).toBeLessThanOrEqual(now);
          expect(expiresAt - now).toBeGreaterThanOrEqual(seconds / 2 - 1);
          expect(quoteLife(issuedAt, seconds)).toEqual({ issuedAt, expiresAt });
        },
      ),
    );
  });
});

describe('an authorization', () => {
  const head = 1_800_000_000;
  const payTo = '0x70997970c51812dc3a010c7d01b50e0d17dc79c8';
  const offer = { payTo, amount: 4000n, maxTimeoutSeconds: 300 };
  const good: ExactAuthorization = {
    from: '0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266',
    to: payTo,
    value: 4000n,
    validAfter: 0n,
    validBefore: BigInt(head + 300),
    nonce: `0x${'11'.repeat(32)}`,
    signature: '0x',
  };
  const check = (change: Partial<ExactAuthorization>, door: 'gate' | 'facilitator' = 'gate') => {
    const result = checkAuthorization({ ...good, ...change }, offer, head, door);
    return result.ok ? 'ok' : result.reason;
  };

  it('pays when it pays exactly what was offered, in time', () => expect(check({})).toBe('ok'));
  it.each<[string, Partial<ExactAuthorization>, string]>([
    ['to another payee', { to: good.from }, 'invalid_exact_evm_recipient_mismatch'],
    ['too little', { value: 3999n }, 'invalid_exact_evm_payload_authorization_value_mismatch'],
    ['too much', { value: 4001n }, 'invalid_exact_evm_payload_authorization_value_mismatch'],
    ['expired', { validBefore: BigInt(head) }, 'invalid_exact_evm_payload_authorization_valid_before'],
    [
      'too near its end for work and settlement',
      { validBefore: BigInt(head + 29) },
      'invalid_exact_evm_payload_authorization_valid_before',
    ],
    ['without an end', { validBefore: 2n ** 255n }, 'invalid_exact_evm_payload_authorization_valid_before'],
    ['too early', { validAfter: BigInt(head + 1) }, 'invalid_exact_evm_payload_authorization_valid_after'],
    [
      'valid only after this very second, as the token compares strictly',
      { validAfter: BigInt(head) },
      'invalid_exact_evm_payload_authorization_valid_after',
    ],
  ])('does not pay %s', (_, change, reason) => expect(check(change)).toBe(reason));

  it('may have any end for a facilitator, whose caller sets the terms', () =>
    expect(check({ validBefore: 2n ** 255n }, 'facilitator')).toBe('ok'));
});

describe('release', () => {
  const policy = { raiseAbove: 1_000_000n, raiseFirstPayment: true };

  it('is raised for strangers and for large amounts, never lowered', () => {
    expect(releaseLevel('authorized', { amount: 1n, knownPayer: true }, policy)).toBe('authorized');
    expect(releaseLevel('authorized', { amount: 1n, knownPayer: false }, policy)).toBe('submitted');
    expect(releaseLevel('submitted', { amount: 1n, knownPayer: false }, policy)).toBe('submitted');
    expect(releaseLevel('submitted', { amount: 1_000_001n, knownPayer: true }, policy)).toBe('confirmed');
    expect(releaseLevel('confirmed', { amount: 1_000_001n, knownPayer: false }, policy)).toBe('confirmed');
  });

  it('a stronger level releases nothing a weaker one would hold', () => {
    for (const state of PAYMENT_STATES) {
      for (const submitted of [false, true]) {
        const held = RELEASE_LEVELS.map((level) => releases(level, { state, submitted }));
        expect(held).toEqual([...held].sort((a, b) => Number(b) - Number(a)));
      }
    }
  });

  it('never lets out what was voided or failed', () => {
    for (const level of RELEASE_LEVELS) {
      for (const state of ['reserved', 'voided', 'failed'] as const)
        expect(releases(level, { state, submitted: true })).toBe(false);
    }
  });
});

describe('capture of an exact payment', () => {
  const quoted = parseDecimal('2.5');
  if (!quoted) throw new Error('2.5 does not read');

  it('charges what was signed and records what was measured', () => {
    expect(captureExact(4000n, quoted, undefined)).toEqual({ ok: true, charged: 4000n, quantity: quoted });
    expect(captureExact(4000n, quoted, parseDecimal('2'))).toMatchObject({ ok: true, charged: 4000n });
  });

  it('refuses a quantity above what was paid for, or below zero', () => {
    expect(captureExact(4000n, quoted, parseDecimal('2.51')).ok).toBe(false);
    expect(captureExact(4000n, quoted, parseDecimal('-1')).ok).toBe(false);
  });
});
