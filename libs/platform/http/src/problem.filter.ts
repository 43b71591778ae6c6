import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type DoorOptions, sendProblem } from './door.js';

/** Renders all that is thrown behind, in or before a controller as a problem document. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly options: Pick<DoorOptions, 'logger' | 'operations'>) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    sendProblem(this.options, thrown, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }
}
