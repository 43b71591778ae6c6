export { createLogger, type Logger } from './logger.js';
export { NestLogger } from './nest-logger.js';
export { Metrics, type UsageDoor } from './metrics.js';
