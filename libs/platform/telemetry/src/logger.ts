import { type DestinationStream, type Logger, pino } from 'pino';
import { censor, censorText } from './censor.js';

export type { Logger } from 'pino';

/**
 * Structured logs: one JSON object a line, with level by name and time in UTC. Everything passes the censor, so a secret
 * that is logged by mistake still does not leave the process.
 */
export function createLogger(
  options: { readonly service: string; readonly level: string },
  destination?: DestinationStream,
): Logger {
  const settings = {
    level: options.level,
    base: { service: options.service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (line: Record<string, unknown>): Record<string, unknown> =>
        Object.fromEntries(Object.entries(line).map(([name, value]) => [name, censorField(name, value)])),
      bindings: (bindings: Record<string, unknown>): Record<string, unknown> => ({ service: bindings['service'] }),
    },
    hooks: {
      logMethod(args: Parameters<Logger['info']>, method: (...args: Parameters<Logger['info']>) => void) {
        const [first, ...rest]: unknown[] = args;
        // An error given alone brings its own message, which pino would copy as it is.
        const named = first instanceof Error ? [{ err: first }, ...(rest.length === 0 ? [first.message] : rest)] : args;
        Reflect.apply(
          method,
          this,
          named.map((argument: unknown) => (typeof argument === 'string' ? censorText(argument) : argument)),
        );
      },
    },
    // The censor has already turned errors into plain objects.
    serializers: { err: (error: unknown) => error, req: () => undefined, res: () => undefined },
  };
  return destination ? pino(settings, destination) : pino(settings);
}

const censorField = (name: string, value: unknown): unknown => {
  const censored: unknown = Reflect.get(Object(censor({ [name]: value })), name);
  return censored;
};
