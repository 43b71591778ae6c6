import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { booksOf } from './books.js';
import type { Drive } from './drive.js';
import { invalidRequest, StandInError } from './errors.js';
import { FAULT_KINDS } from './faults.js';
import type { Faults } from './faults.js';
import { idOf } from './listing.js';
import { authenticationPage, checkoutPage, messagePage } from './pages.js';
import { Params } from './params.js';
import type { Runner } from './runner.js';
import { HONEST_WEBHOOKS } from './world.js';
import type { World } from './world.js';

/** Everything behind the doors that are not the API. */
export interface Behind {
  readonly world: World;
  readonly runner: Runner;
  readonly faults: Faults;
  readonly drive: Drive;
}

type Act = (params: Params, id: string) => object | undefined | Promise<object | undefined>;

/** The doors of the LOCAL STAND-IN that the real one does not have: for `npm start`, for other processes, for a person. */
export function openDoors(app: FastifyInstance, behind: Behind): void {
  for (const [method, url, act] of doors(behind)) {
    app.route({
      method,
      url,
      handler: async (request: FastifyRequest<{ Params: { id?: string } }>, reply) => {
        const result = await caught(reply, () => act(paramsOf(request), request.params.id ?? ''));
        return reply.send(result ?? {});
      },
    });
  }
  openPages(app, behind);
}

function doors({
  world,
  runner,
  faults,
  drive,
}: Behind): readonly (readonly ['GET' | 'POST' | 'DELETE', string, Act])[] {
  const needed = (params: Params, name: string): number => {
    params.need(name);
    return params.whole(name) ?? 0;
  };
  return [
    ['GET', '/_stand_in/state', () => booksOf(world)],
    ['GET', '/_stand_in/clock', () => ({ now: world.clock.now(), held: world.clock.isHeld })],
    [
      'POST',
      '/_stand_in/clock/advance',
      async (params) => {
        await runner.advance(needed(params, 'ms'));
        return { now: world.clock.now() };
      },
    ],
    ['GET', '/_stand_in/faults', () => faults.counts],
    ['POST', '/_stand_in/faults', (params) => addFault(faults, params)],
    ['DELETE', '/_stand_in/faults', () => (faults.clear(), undefined)],
    ['POST', '/_stand_in/webhooks', (params) => setWebhooks(world, params)],
    [
      'POST',
      '/_stand_in/checkout/:id/complete',
      (params, id) => drive.completeCheckout(id, { paymentMethod: params.need('payment_method') }),
    ],
    [
      'POST',
      '/_stand_in/disputes',
      (params) => drive.openDispute(params.need('charge'), { reason: params.text('reason') ?? 'fraudulent' }),
    ],
    [
      'POST',
      '/_stand_in/disputes/:id/decide',
      (params, id) => drive.decideDispute(id, { won: params.flag('won') === true }),
    ],
    ['POST', '/_stand_in/debits/:id/return', (params, id) => drive.returnDebit(id, params.text('reason'))],
    [
      'POST',
      '/_stand_in/payment_methods/:id/behave',
      (params, id) => (drive.behaveLike(id, params.need('like')), undefined),
    ],
    ['POST', '/_stand_in/mandates/:id/end', (_params, id) => (drive.endMandate(id), undefined)],
    ['POST', '/_stand_in/payouts', () => (drive.payOut(), undefined)],
    ['POST', '/_stand_in/payouts/:id/fail', (_params, id) => drive.failPayout(id)],
  ];
}

function openPages(app: FastifyInstance, { world, drive }: Behind): void {
  const html = (reply: FastifyReply, body: string) => reply.type('text/html; charset=utf-8').send(body);

  app.get('/', async (_request, reply) =>
    html(
      reply,
      messagePage('Local Stripe stand-in', 'It answers the part of the API that Farebox uses. It is not Stripe.'),
    ),
  );

  app.get('/c/pay/:id', async (request: FastifyRequest<{ Params: { id: string } }>, reply) => {
    const session = world.state.sessions[request.params.id];
    if (session?.status === 'open') return html(reply, checkoutPage(session));
    return html(reply.code(404), messagePage('Nothing to do', 'This session is complete, expired, or never was.'));
  });

  app.post('/c/pay/:id', async (request: FastifyRequest<{ Params: { id: string } }>, reply) => {
    const { id } = request.params;
    try {
      const session = drive.completeCheckout(id, { paymentMethod: paramsOf(request).need('payment_method') });
      return await reply.redirect((session.success_url ?? '/').replaceAll('{CHECKOUT_SESSION_ID}', id), 303);
    } catch (error) {
      const session = world.state.sessions[id];
      if (!(error instanceof StandInError) || session?.status !== 'open') throw error;
      return html(reply.code(402), checkoutPage(session, error.message));
    }
  });

  app.get('/_stand_in/authenticate/:id', async (request: FastifyRequest<{ Params: { id: string } }>, reply) =>
    html(reply, authenticationPage(request.params.id)),
  );

  app.post('/_stand_in/authenticate/:id', async (request: FastifyRequest<{ Params: { id: string } }>, reply) => {
    const { id } = request.params;
    const waiting = world.state.paymentIntents[id] ?? world.state.setupIntents[id];
    const back = waiting?.next_action?.redirect_to_url?.return_url ?? null;
    const done = await caught(reply, () =>
      drive.authenticate(id, { succeed: paramsOf(request).flag('succeed') === true }),
    );
    if (back !== null && reply.statusCode === 200) return reply.redirect(back, 303);
    const text = 'status' in done ? `${idOf(id) ?? ''} is ${String(done.status)}.` : 'Nothing asks for authentication.';
    return html(reply, messagePage('Done', text));
  });
}

async function caught<T extends object | undefined>(
  reply: FastifyReply,
  act: () => T | Promise<T>,
): Promise<T | { error: object }> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof StandInError)) throw error;
    void reply.code(error.status);
    return { error: error.body };
  }
}

/** Forms of the pages, JSON of programs. */
function paramsOf(request: FastifyRequest): Params {
  const { body } = request;
  if (typeof body === 'string') return Params.parse(body);
  return Params.of(typeof body === 'object' && body !== null ? { ...body } : {});
}

function addFault(faults: Faults, params: Params): object {
  const kinds = params.list('kinds');
  const script = params.list('script');
  const known = (name: string) => {
    const kind = FAULT_KINDS.find((one) => one === name);
    if (kind === undefined) throw invalidRequest(`Kinds of faults: ${FAULT_KINDS.join(', ')}`, 'kinds');
    return kind;
  };
  faults.add({
    path: params.text('path'),
    share: Number(params.text('share') ?? 0),
    kinds: kinds?.map(known),
    script: script?.map((name) => (name === 'none' ? name : known(name))),
    holdMs: params.whole('hold_ms'),
  });
  return faults.counts;
}

function setWebhooks(world: World, params: Params): object {
  params.only('copies', 'shuffle_ms', 'delay_ms', 'drop', 'forge');
  return Object.assign(world.webhooks, {
    ...HONEST_WEBHOOKS,
    copies: params.whole('copies') ?? 1,
    shuffleMs: params.whole('shuffle_ms') ?? 0,
    delayMs: params.whole('delay_ms') ?? 0,
    drop: Number(params.text('drop') ?? 0),
    forge: Number(params.text('forge') ?? 0),
  });
}
