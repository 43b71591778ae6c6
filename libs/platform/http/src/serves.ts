import {
  applyDecorators,
  createParamDecorator,
  type ExecutionContext,
  HttpCode,
  RequestMapping,
  RequestMethod,
  SetMetadata,
} from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { callerOf } from './caller.js';
import type { Method, Operation } from './operation.js';

const OPERATION = 'farebox:operation';

const METHODS: Readonly<Record<Method, RequestMethod>> = {
  GET: RequestMethod.GET,
  POST: RequestMethod.POST,
  PUT: RequestMethod.PUT,
  PATCH: RequestMethod.PATCH,
  DELETE: RequestMethod.DELETE,
};

/** Makes a controller's method serve an operation: its route, and the first status of its answers. */
export const Serves = (operation: Operation): MethodDecorator =>
  applyDecorators(
    RequestMapping({ path: operation.path, method: METHODS[operation.method] }),
    HttpCode(Number(Object.keys(operation.answers)[0] ?? 200)),
    SetMetadata(OPERATION, operation),
  );

/** The operation a controller's method serves. */
export const operationOf = (context: ExecutionContext): Operation | undefined => {
  const operation: unknown = Reflect.getMetadata(OPERATION, context.getHandler());
  return isOperation(operation) ? operation : undefined;
};

const isOperation = (value: unknown): value is Operation =>
  typeof value === 'object' && value !== null && 'path' in value && 'answers' in value;

/** Parameter of a controller's method: who asks. */
export const By = createParamDecorator((_: unknown, context: ExecutionContext) =>
  callerOf(context.switchToHttp().getRequest<FastifyRequest>()),
);
