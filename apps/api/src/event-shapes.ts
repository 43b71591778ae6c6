import { ACTIONS, type SentEvent } from '@core/metering';
import type { EventVerdict, UsageEvent } from '@farebox/metering';
import { z } from 'zod';
import { isPlainEvent } from './event-check.js';

// Usage events as they travel, read the same wherever they come in.

const decimalText = (example: string) => z.string(`must be a decimal in a string, e.g. "${example}"`).optional();

/** What was used. Numbers are plain decimals in strings. */
export const eventData = z.strictObject({
  value: decimalText('1.25').describe('How much, for meters of values: sum, max, min, average, latest.'),
  level: decimalText('1048576').describe('For level meters: the absolute level from this instant on.'),
  delta: decimalText('-4096').describe('For level meters: by how much the level changes; may be negative.'),
  action: z.enum(ACTIONS).optional().describe('For duration meters: what happens to the resource.'),
  weight: decimalText('2').describe('For duration meters: what a second counts from this start or resize on.'),
  cost: decimalText('0.01').describe('The price carried on the event, for dynamic prices.'),
  resource: z.string().optional().describe('For level, latest and duration meters: which thing is meant.'),
  dimensions: z.record(z.string(), z.string()).optional().describe('Your own labels: filters and groups of meters.'),
});

/** One usage event, CloudEvents 1.0 in JSON. Further attributes of CloudEvents are allowed and not kept. */
export const event = z.looseObject({
  specversion: z.literal('1.0'),
  id: z.string().describe('Unique within source; the same through every retry.'),
  source: z.string().describe('Who observed the usage, a URI reference.'),
  type: z.string().describe('What meters hear: the name of a meter, or the event type it was defined with.'),
  subject: z.string().describe('The account: its id, its name, or a wallet of it.'),
  time: z.string().optional().describe('When it took place, RFC 3339; absent: now.'),
  datacontenttype: z.literal('application/json').optional(),
  data: eventData.nullish(),
});

// What the published package sends has to fit what is read here.
const fits = (sent: UsageEvent): z.input<typeof event> => ({ ...sent });
void fits;

const described = z.toJSONSchema(event, { io: 'input' });

/** An event or an array of events. They are read one by one, so that each gets its verdict. */
export const eventsBody = (most: number) =>
  z
    .custom<object>((value) => typeof value === 'object' && value !== null, 'must be an event or an array of events')
    .meta({ oneOf: [described, { type: 'array', items: described, maxItems: most }] });

export const EVENT_TYPES = [
  'application/cloudevents+json',
  'application/cloudevents-batch+json',
  'application/json',
] as const;

export const eventVerdict = z.object({
  source: z.string(),
  id: z.string(),
  verdict: z
    .enum(['accepted', 'duplicate', 'conflict', 'held', 'rejected'])
    .describe('held: kept, not counted until it is replayed; never send it again.'),
  reason: z.string().optional(),
  message: z.string().optional(),
});

export type ReadEvent = { readonly event: SentEvent } | { readonly verdict: EventVerdict };

/** The events of a body, one or many; those that cannot be read have their verdict already. */
export const readEvents = (body: unknown): ReadEvent[] => (Array.isArray(body) ? body : [body]).map(readEvent);

function readEvent(sent: unknown): ReadEvent {
  if (isPlainEvent(sent)) return { event: sent };
  const parsed = event.safeParse(sent);
  if (parsed.success) return { event: parsed.data };
  const said = parsed.error.issues
    .slice(0, 5)
    .map((issue) => `${issue.path.join('.') || 'the event'}: ${issue.message}`);
  const text = (name: string): string => {
    const value: unknown = typeof sent === 'object' && sent !== null ? Reflect.get(sent, name) : undefined;
    return typeof value === 'string' ? value.slice(0, 256) : '';
  };
  const message = `Not a usage event that can be read; ${said.join('; ')}. Mend it and send it again.`;
  return { verdict: { source: text('source'), id: text('id'), verdict: 'rejected', reason: 'invalid_event', message } };
}

export function readable(read: readonly ReadEvent[]): SentEvent[] {
  const events: SentEvent[] = [];
  for (const each of read) if ('event' in each) events.push(each.event);
  return events;
}

/** All verdicts in the order of the events: `judged` are those of the readable ones. */
export function verdictsInOrder<Verdict>(
  read: readonly ReadEvent[],
  judged: readonly Verdict[],
): (EventVerdict | Verdict)[] {
  if (judged.length === read.length) return [...judged];
  const rest = judged[Symbol.iterator]();
  return read.flatMap((each): (EventVerdict | Verdict)[] => {
    if ('verdict' in each) return [each.verdict];
    const next = rest.next();
    return next.done ? [] : [next.value];
  });
}
