import type { Payments } from '@features/payments';
import type {
  BatchAnswer,
  BatchQuestion,
  CaptureDecision,
  CaptureRequest,
  CheckDecision,
  CheckRequest,
  ExtendDecision,
  ExtendRequest,
  VoidDecision,
  VoidRequest,
} from '@farebox/paywall';
import {
  bodyOf,
  callerOf,
  type HotRoute,
  type LineRoute,
  LINES_TYPE,
  MEBIBYTE,
  type Operation,
  parse,
} from '@platform/http';
import type { Metrics } from '@platform/telemetry';
import { z } from 'zod';
import { idText, needs } from '../fields.js';
import { paymentView } from './payments.route.js';

/** In one exchange. */
const MOST_QUESTIONS = 256;

const wireReply = z.strictObject({
  status: z.int().min(100, 'must be an HTTP status').max(599, 'must be an HTTP status'),
  headers: z.record(z.string(), z.string()),
  body: z.base64('must be base64').describe('base64 of the bytes.'),
});

const proofHeader = (what: string) =>
  z.string().max(8192, 'must have at most 8192 characters').optional().describe(what);

const checkBody = z.strictObject({
  method: z.string().describe('HTTP method of the priced request, upper case.'),
  url: z.string().describe('Absolute URL of the priced request as the agent sees it.'),
  bodyDigest: z.string().optional().describe('Lower-case hex SHA-256 of the request’s body.'),
  meter: z.string().describe('Name of the meter the request is sold by.'),
  quantity: z
    .string('must be a decimal in a string')
    .optional()
    .describe('Units it will use, a plain decimal; "1" when absent.'),
  description: z.string().max(200, 'must have at most 200 characters').optional(),
  mimeType: z.string().max(100, 'must have at most 100 characters').optional(),
  paymentSignature: z.string().optional().describe('The agent’s PAYMENT-SIGNATURE header, as received.'),
  xPayment: z.string().optional().describe('The agent’s X-PAYMENT header, as received.'),
  proof: z
    .strictObject({
      authorization: proofHeader('Authorization, when it carries an agent key.'),
      signInWithX: proofHeader('SIGN-IN-WITH-X'),
      signature: proofHeader('Signature (RFC 9421)'),
      signatureInput: proofHeader('Signature-Input'),
      signatureAgent: proofHeader('Signature-Agent'),
      covered: z
        .record(z.string().max(64), z.string().max(8192))
        .refine((headers) => Object.keys(headers).length <= 8, 'must have at most 8 headers')
        .optional()
        .describe('Other headers that the signature covers, by lower-case name.'),
    })
    .optional()
    .describe('Headers by which the agent shows who it is, as received.'),
  idempotencyKey: z
    .string()
    .regex(/^[\x21-\x7e]{1,128}$/, 'must be 1 to 128 printable characters without spaces')
    .optional()
    .describe('The agent’s Idempotency-Key: the same key for the same request is charged once.'),
  attempt: z
    .string()
    .regex(/^[A-Za-z0-9_-]{16,64}$/, 'must be 16 to 64 letters, digits, - or _')
    .optional()
    .describe('Names this arrival of the request: the same attempt may ask again after a lost answer.'),
});

const paymentId = z.union([idText('pay'), idText('hld'), idText('vch')]);

const captureBody = z.strictObject({
  payment: paymentId,
  quantity: z
    .string('must be a decimal in a string')
    .optional()
    .describe('What was measured; absent: what was checked.'),
  reply: wireReply.describe('The handler’s answer, kept for the same payment presented again.'),
});

const decimal = z.string('must be a decimal in a string').max(64, 'must have at most 64 characters');
const extendBody = z.strictObject({
  payment: paymentId,
  used: decimal.describe('Units used so far.'),
  upTo: decimal.describe('Units to be covered in all.'),
});

const voidBody = z.strictObject({
  payment: paymentId,
  reason: z.string().max(200, 'must have at most 200 characters').optional(),
});

// What the published package sends has to fit what is read here.
const fits = (check: CheckRequest, capture: CaptureRequest, extend: ExtendRequest, letGo: VoidRequest) => {
  const read: [
    z.input<typeof checkBody>,
    z.input<typeof captureBody>,
    z.input<typeof extendBody>,
    z.input<typeof voidBody>,
  ] = [check, { ...capture, reply: { ...capture.reply, headers: { ...capture.reply.headers } } }, extend, letGo];
  return read;
};
void fits;
const names = (asked: BatchQuestion): z.input<typeof batchLine> => asked;
void names;

const check: Operation = {
  method: 'POST',
  path: '/v1/gate/check',
  summary: 'May this request go ahead?',
  description:
    'Answers serve (do it, then capture or void), or what to answer the agent with: a challenge, a stored answer, a refusal.',
  area: 'gate',
  access: needs('gate'),
  body: checkBody,
  answers: {
    200: {
      description: 'The decision.',
      schema: z.union([
        z.object({ decision: z.literal('serve'), payment: paymentView, captureWithinSeconds: z.int() }),
        z.object({ decision: z.enum(['pay', 'replay', 'refuse']), reply: wireReply }),
      ]),
    },
  },
};

const capture: Operation = {
  method: 'POST',
  path: '/v1/gate/capture',
  summary: 'The request was served: charge it',
  description:
    'Repeating it gives the same answer. Answers when the response may leave, as the price’s release level says.',
  area: 'gate',
  access: needs('gate'),
  body: captureBody,
  // The handler's answer travels in it.
  bodyLimit: 4 * MEBIBYTE,
  answers: {
    200: {
      description: 'The decision.',
      schema: z.union([
        z.object({ decision: z.literal('release'), payment: paymentView, headers: z.record(z.string(), z.string()) }),
        z.object({ decision: z.literal('withhold'), payment: paymentView, reply: wireReply }),
      ]),
    },
  },
};

const extend: Operation = {
  method: 'POST',
  path: '/v1/gate/extend',
  summary: 'A long answer is under way: cover more of it',
  description:
    'Fixes what was used so far, which is charged even if the caller is never heard of again, and covers what comes next. Both are totals: repeating it changes nothing.',
  area: 'gate',
  access: needs('gate'),
  body: extendBody,
  answers: {
    200: {
      description: 'The decision.',
      schema: z.union([
        z.object({ decision: z.literal('go'), payment: paymentView, captureWithinSeconds: z.int().optional() }),
        z.object({ decision: z.literal('stop'), payment: paymentView, reason: z.string() }),
      ]),
    },
  },
};

const letGo: Operation = {
  method: 'POST',
  path: '/v1/gate/void',
  summary: 'The request was not served: charge nothing',
  description: 'Repeating it gives the same answer.',
  area: 'gate',
  access: needs('gate'),
  body: voidBody,
  answers: { 200: { description: 'The payment, voided.', schema: z.object({ payment: paymentView }) } },
};

const batchLine = z.strictObject({
  ask: z.enum(['check', 'capture', 'extend', 'void']),
  question: z.unknown().describe('The body of that route.'),
});

const batch: Operation = {
  method: 'POST',
  path: '/v1/gate/batch',
  summary: 'Many questions in one exchange',
  description:
    `Questions that wait at the same moment, one JSON text a line, at most ${MOST_QUESTIONS}: {"ask": "check" | "capture" | "extend" | "void", ` +
    '"question": the body of that route}. Each is answered as by its own route, as soon as it is decided, in any order, by a line ' +
    '{"n", "status", "answer"}, where n is the number of its line from 0.',
  area: 'gate',
  access: needs('gate'),
  raw: true,
  mediaTypes: [LINES_TYPE],
  body: batchLine,
  bodyLimit: 4 * MEBIBYTE,
  answers: {
    200: {
      description: 'A line for each question.',
      mediaType: LINES_TYPE,
      schema: z.object({
        n: z.int(),
        status: z.int(),
        answer: z.unknown().describe('A decision, or a problem document.'),
      }),
    },
  },
};

export const gateOperations = [check, capture, extend, letGo, batch];

/** What decides the gate's questions. */
export type GateDecisions = {
  readonly [Question in 'check' | 'capture' | 'extend' | 'void']: Pick<Payments[Question], 'run'>;
};

export const gateRoutes = (payments: GateDecisions, metrics: Metrics): (HotRoute | LineRoute)[] => {
  const decide = {
    check: async (provider: string, request: z.output<typeof checkBody>): Promise<CheckDecision> => {
      const decision = await payments.check.run({ provider, request });
      metrics.gateDecision(decision.decision);
      if (decision.decision === 'serve') metrics.claim('claimed');
      return decision;
    },
    capture: async (provider: string, request: z.output<typeof captureBody>): Promise<CaptureDecision> => {
      const decision = await payments.capture.run({ provider, request });
      metrics.gateDecision(decision.decision);
      return decision;
    },
    extend: async (provider: string, request: z.output<typeof extendBody>): Promise<ExtendDecision> => {
      const decision = await payments.extend.run({ provider, request });
      metrics.gateDecision(decision.decision);
      return decision;
    },
    void: async (provider: string, request: z.output<typeof voidBody>): Promise<VoidDecision> => {
      const decision = await payments.void.run({ provider, request });
      metrics.gateDecision('void');
      return decision;
    },
  };
  return [
    {
      operation: check,
      answer: (request) => decide.check(callerOf(request).provider, bodyOf(checkBody, request)),
    },
    {
      operation: capture,
      answer: (request) => decide.capture(callerOf(request).provider, bodyOf(captureBody, request)),
    },
    {
      operation: extend,
      answer: (request) => decide.extend(callerOf(request).provider, bodyOf(extendBody, request)),
    },
    {
      operation: letGo,
      answer: (request) => decide.void(callerOf(request).provider, bodyOf(voidBody, request)),
    },
    {
      operation: batch,
      mostLines: MOST_QUESTIONS,
      answerLine: async (line, request): Promise<BatchAnswer['answer']> => {
        const { provider } = callerOf(request);
        const { ask, question } = parse(batchLine, line, 'body');
        switch (ask) {
          case 'check':
            return decide.check(provider, parse(checkBody, question, 'body'));
          case 'capture':
            return decide.capture(provider, parse(captureBody, question, 'body'));
          case 'extend':
            return decide.extend(provider, parse(extendBody, question, 'body'));
          case 'void':
            return decide.void(provider, parse(voidBody, question, 'body'));
        }
      },
    },
  ];
};
