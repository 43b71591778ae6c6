import qs from 'qs';
import type Stripe from 'stripe';
import { invalidRequest } from './errors.js';

type Values = Readonly<Record<string, unknown>>;

/** Reads form parameters (`a[b][0]=c`) one by one; what has the wrong shape is refused under the name that was sent. */
export class Params {
  private constructor(
    private readonly values: Values,
    private readonly path: string,
  ) {}

  static parse(form: string): Params {
    return new Params(qs.parse(form, { depth: 10, arrayLimit: 1000, parameterLimit: 10_000 }), '');
  }

  static of(values: Values): Params {
    return new Params(values, '');
  }

  nameOf(name: string): string {
    return this.path === '' ? name : `${this.path}[${name}]`;
  }

  /** Refuses every parameter that is not among these. */
  only(...names: readonly string[]): void {
    const stranger = Object.keys(this.values).find((name) => name !== 'expand' && !names.includes(name));
    if (stranger === undefined) return;
    throw invalidRequest(
      `Received unknown parameter: ${this.nameOf(stranger)} (or one that this local stand-in does not have)`,
      this.nameOf(stranger),
      'parameter_unknown',
    );
  }

  has(name: string): boolean {
    return name in this.values;
  }

  /** A parameter sent empty: the wish to unset the field. */
  isCleared(name: string): boolean {
    return this.values[name] === '';
  }

  text(name: string): string | undefined {
    const value = this.values[name];
    if (value === undefined || value === '') return undefined;
    if (typeof value === 'string') return value;
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    throw invalidRequest(`Invalid string: ${JSON.stringify(value)}`, this.nameOf(name), 'parameter_invalid_string');
  }

  need(name: string): string {
    const value = this.text(name);
    if (value !== undefined) return value;
    throw invalidRequest(`Missing required param: ${this.nameOf(name)}.`, this.nameOf(name), 'parameter_missing');
  }

  whole(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (/^-?\d{1,15}$/.test(value)) return Number(value);
    throw invalidRequest(`Invalid integer: ${value}`, this.nameOf(name), 'parameter_invalid_integer');
  }

  flag(name: string): boolean | undefined {
    const value = this.text(name);
    if (value === undefined || value === 'true' || value === 'false')
      return value === undefined ? value : value === 'true';
    throw invalidRequest(`Invalid boolean: ${value}`, this.nameOf(name));
  }

  choice<T extends string>(name: string, among: readonly T[]): T | undefined {
    const value = this.text(name);
    const chosen = among.find((one) => one === value);
    if (value === undefined || chosen !== undefined) return chosen;
    throw invalidRequest(`Invalid ${this.nameOf(name)}: must be one of ${among.join(', ')}`, this.nameOf(name));
  }

  list(name: string): string[] | undefined {
    const value = this.values[name];
    if (value === undefined || value === '') return undefined;
    const items: unknown[] = Array.isArray(value) ? value : isRecord(value) ? Object.values(value) : [value];
    return items.map((item) => {
      if (typeof item === 'string') return item;
      throw invalidRequest(`Invalid array: ${this.nameOf(name)}`, this.nameOf(name));
    });
  }

  within(name: string): Params | undefined {
    const value = this.values[name];
    if (value === undefined || value === '') return undefined;
    if (isRecord(value)) return new Params(value, this.nameOf(name));
    throw invalidRequest('Invalid object', this.nameOf(name));
  }

  each(name: string): Params[] {
    const value = this.values[name];
    if (value === undefined || value === '') return [];
    const items: unknown[] = Array.isArray(value) ? value : isRecord(value) ? Object.values(value) : [];
    return items.filter(isRecord).map((item, place) => new Params(item, `${this.nameOf(name)}[${place}]`));
  }

  /** What metadata becomes: keys sent are set, keys sent empty are removed, an empty `metadata` removes all. */
  metadata(before: Stripe.Metadata | null = {}): Stripe.Metadata {
    if (this.isCleared('metadata')) return {};
    const after: Stripe.Metadata = { ...before };
    const sent = this.within('metadata');
    for (const key of Object.keys(sent?.values ?? {})) {
      const value = sent?.text(key);
      if (value === undefined) delete after[key];
      else after[key] = checkedMetadata(key, value);
    }
    if (Object.keys(after).length > 50) throw invalidRequest('Metadata can have at most 50 keys.', 'metadata');
    return after;
  }

  /** The time range of a list, `created` itself or its gt, gte, lt, lte, as a test of seconds. */
  range(name: string): (seconds: number) => boolean {
    if (typeof this.values[name] === 'string') return (seconds) => seconds === this.whole(name);
    const range = this.within(name);
    const [gt, gte, lt, lte] = ['gt', 'gte', 'lt', 'lte'].map((bound) => range?.whole(bound));
    return (seconds) =>
      (gt === undefined || seconds > gt) &&
      (gte === undefined || seconds >= gte) &&
      (lt === undefined || seconds < lt) &&
      (lte === undefined || seconds <= lte);
  }
}

function checkedMetadata(key: string, value: string): string {
  if (key.length > 40) throw invalidRequest('Metadata keys have at most 40 characters.', 'metadata');
  if (value.length > 500) throw invalidRequest('Metadata values have at most 500 characters.', `metadata[${key}]`);
  return value;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
