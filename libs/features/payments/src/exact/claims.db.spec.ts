import fc from 'fast-check';
import { ANSWER, body, PaidPath, replyOf } from '../../../../../test/support/paid-path.js';
import { Payer } from '../../../../../test/support/payer.js';

/** What the model knows of one authorization. */
interface Known {
  readonly headers: readonly [string, string];
  /** Which of the two requests claimed it. */
  claimedFor: 0 | 1 | undefined;
  payment: string | undefined;
  state: 'unused' | 'reserved' | 'served' | 'voided';
  grants: number;
}

const URLS = ['https://api.example.com/hello', 'https://api.example.com/other'] as const;

type Step =
  | { readonly kind: 'present'; readonly which: number; readonly request: 0 | 1; readonly process: 0 | 1 }
  | { readonly kind: 'capture' | 'void' | 'expire'; readonly which: number; readonly process: 0 | 1 };

const steps = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('present' as const),
      which: fc.nat(2),
      request: fc.constantFrom(0 as const, 1 as const),
      process: fc.constantFrom(0 as const, 1 as const),
    }),
    fc.record({
      kind: fc.constantFrom('capture' as const, 'void' as const, 'expire' as const),
      which: fc.nat(2),
      process: fc.constantFrom(0 as const, 1 as const),
    }),
  ),
  { minLength: 1, maxLength: 25 },
);

describe('the claim machine, against a model', () => {
  let path: PaidPath;

  beforeAll(async () => {
    path = await PaidPath.open();
  });

  afterAll(() => path.close());

  /** One authorization, spelled for either request: same signature, another quote. */
  async function authorization(): Promise<Known> {
    const payer = new Payer();
    const first = await path.signed(payer, {}, { url: URLS[0] });
    const second = await path.signed(
      payer,
      { nonce: first.authorization.nonce, validBefore: first.authorization.validBefore },
      { url: URLS[1] },
    );
    return {
      headers: [first.header, second.header],
      claimedFor: undefined,
      payment: undefined,
      state: 'unused',
      grants: 0,
    };
  }

  async function present(known: Known, request: 0 | 1, through: PaidPath['a']): Promise<void> {
    const decision = await path.check({ url: URLS[request], paymentSignature: known.headers[request] }, through);
    if (known.claimedFor === undefined) {
      if (decision.decision !== 'serve') throw new Error(`an unused authorization got ${decision.decision}`);
      Object.assign(known, {
        claimedFor: request,
        payment: decision.payment.id,
        state: 'reserved',
        grants: known.grants + 1,
      });
      return;
    }
    const reply = replyOf(decision);
    if (known.claimedFor !== request)
      expect({ status: reply.status, reason: body(reply)['reason'] }).toEqual({
        status: 409,
        reason: 'authorization_consumed',
      });
    else if (known.state === 'reserved')
      expect(body(reply)).toMatchObject({ status: 409, reason: 'payment_in_progress' });
    else if (known.state === 'voided') expect(reply.status).toBe(402);
    else expect({ decision: decision.decision, body: reply.body }).toEqual({ decision: 'replay', body: ANSWER.body });
  }

  async function act(step: Step, known: Known): Promise<void> {
    const through = step.process === 0 ? path.a : path.b;
    if (step.kind === 'present') return present(known, step.request, through);
    const { payment } = known;
    if (payment === undefined) return;
    switch (step.kind) {
      case 'capture': {
        const captured = await through.capture.run({ provider: path.provider, request: { payment, reply: ANSWER } });
        expect(captured.decision).toBe(known.state === 'voided' ? 'withhold' : 'release');
        if (known.state === 'reserved') known.state = 'served';
        return;
      }
      case 'void': {
        const voided = through.void.run({ provider: path.provider, request: { payment } });
        if (known.state === 'served') return expect(voided).rejects.toMatchObject({ reason: 'already_captured' });
        await voided;
        known.state = 'voided';
        return;
      }
      case 'expire': {
        if (known.state !== 'reserved') return;
        // What the sweeper does with a reservation whose time has passed.
        await path.owner.query(
          "UPDATE payments SET state = 'voided', voided_at = now(), void_reason = 'expired' WHERE id = $1 AND state = 'reserved'",
          [payment],
        );
        known.state = 'voided';
        return;
      }
    }
  }

  it('grants each authorization once, charges what was captured and nothing else, whatever the order', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (sequence) => {
        const known = await Promise.all([authorization(), authorization(), authorization()]);
        for (const step of sequence) {
          const one = known[step.which];
          if (one) await act(step, one);
        }
        for (const { payment, state, grants } of known) {
          expect(grants).toBeLessThanOrEqual(1);
          if (payment === undefined) continue;
          const { rows } = await path.owner.query<{
            state: string;
            charged: string | null;
            transfers: string;
            replies: string;
            events: string;
          }>(
            `SELECT p.state, p.charged, (SELECT count(*) FROM transfers t WHERE t.reference = p.id) AS transfers,
              (SELECT count(*) FROM payment_replies r WHERE r.payment_id = p.id) AS replies,
              (SELECT count(*) FROM usage_log u, json_array_elements(u.body::json -> 'items') AS item
                WHERE u.kind = 'sold' AND item ->> 4 = p.id) AS events
            FROM payments p WHERE p.id = $1`,
            [payment],
          );
          const served = state === 'served';
          expect(rows).toEqual([
            {
              state,
              charged: served ? '4000' : null,
              transfers: served ? '2' : '0',
              replies: served ? '1' : '0',
              events: served ? '1' : '0',
            },
          ]);
        }
      }),
      { numRuns: 100 },
    );
  });
});
