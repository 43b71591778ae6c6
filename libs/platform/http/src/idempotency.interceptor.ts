import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { from, lastValueFrom, type Observable } from 'rxjs';
import { callerOf } from './caller.js';
import { IdempotentRequests, type KeptAnswer } from './idempotent-requests.js';
import { operationOf } from './serves.js';

/** Fields of answers that are shown once and never kept. */
const SHOWN_ONCE = new Set(['secret']);

/** Honours `Idempotency-Key` on the operations that say so; requests without the header pass. */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(private readonly requests: IdempotentRequests) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const kind = operationOf(context)?.idempotency;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const key = request.headers['idempotency-key'];
    if (kind === undefined || typeof key !== 'string') return next.handle();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    return from(this.#once(kind, key, request, reply, next));
  }

  async #once(
    kind: 'repeatable' | 'once',
    key: string,
    request: FastifyRequest,
    reply: FastifyReply,
    next: CallHandler,
  ): Promise<unknown> {
    const content = `${request.method} ${request.url}\n${JSON.stringify(request.body)}`;
    let fresh: unknown;
    const { answer, replayed } = await this.requests.run(
      { provider: callerOf(request).provider, key, content, kind },
      async () => {
        fresh = await lastValueFrom(next.handle());
        return { status: reply.statusCode, body: JSON.stringify(fresh) };
      },
      withoutSecrets,
    );
    if (!replayed) return fresh;
    void reply.code(answer.status).header('idempotent-replayed', 'true');
    const kept: unknown = JSON.parse(answer.body);
    return kept;
  }
}

function withoutSecrets({ status, body }: KeptAnswer): KeptAnswer {
  return {
    status,
    body: JSON.stringify(JSON.parse(body), (name, value: unknown) => (SHOWN_ONCE.has(name) ? undefined : value)),
  };
}
