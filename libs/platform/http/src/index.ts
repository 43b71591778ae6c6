export {
  type Method,
  type Operation,
  type Answer,
  OperationTable,
  JSON_TYPE,
  LINES_TYPE,
  MEBIBYTE,
} from './operation.js';
export { type Caller, type CallerCheck, KeyCheck, callerOf } from './caller.js';
export { openDoor, addHotRoutes, bodyOf, bytesOf, type DoorOptions, type HotRoute } from './door.js';
export { type LineRoute } from './answer-lines.js';
export { Serves, By } from './serves.js';
export { parse, type FieldProblem } from './parse.js';
export { renderProblem, PROBLEM_TYPE } from './problems.js';
export { ProblemFilter } from './problem.filter.js';
export { IdempotentRequests, type IdempotentRequest, type KeptAnswer } from './idempotent-requests.js';
export { IdempotencyInterceptor } from './idempotency.interceptor.js';
export { openApiOf, type ApiTitle } from './open-api.js';
