import { KEY_SCOPES, type KeyScope } from '@features/accounts';
import { addMs, Clock, type Instant, instant } from '@core/time';
import { type Api, createApp } from '../../apps/api/src/create-app.js';
import { apiConfig, type ApiDatabase, call, type Called, createDatabase, makeKey } from './api.js';

/** The machine's clock, moved on by hand. */
class MovedClock extends Clock {
  #by = 0;
  now(): Instant {
    return addMs(instant(Date.now()), this.#by);
  }
  advance(ms: number): void {
    this.#by += ms;
  }
}

/** An api with one provider, a key of each scope, an account, a meter with a price ("calls") and one without ("seconds"). */
export class WrongInputScene {
  private constructor(
    readonly database: ApiDatabase,
    readonly api: Api,
    readonly url: string,
    readonly clock: MovedClock,
    readonly provider: string,
    readonly keys: ReadonlyMap<KeyScope, string>,
    readonly account: string,
    private readonly tables: readonly string[],
  ) {}

  static async start(): Promise<WrongInputScene> {
    const database = await createDatabase();
    const clock = new MovedClock();
    const api = await createApp(apiConfig(database, { LOG_LEVEL: 'silent' }), { clock });
    const url = await api.listen(0, '127.0.0.1');
    const { provider } = await makeKey(api, { scopes: ['read'] });
    const keys = new Map<KeyScope, string>();
    for (const scope of KEY_SCOPES) keys.set(scope, (await makeKey(api, { provider, scopes: [scope] })).key);
    const make = async (path: string, body: unknown): Promise<string> =>
      (await call(url, 'POST', path, { key: keys.get('manage'), body })).json.id;
    const account = await make('/v1/accounts', { name: 'agent' });
    await make('/v1/meters', { name: 'calls', aggregation: 'count', unit: 'call' });
    await make('/v1/meters', { name: 'seconds', aggregation: 'sum', unit: 'second' });
    await make('/v1/prices', { meter: 'calls', definition: { rate: '0.004' } });
    const tables = await database.rows(
      "SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition",
    );
    return new WrongInputScene(
      database,
      api,
      url,
      clock,
      provider,
      keys,
      account,
      tables.map(({ name }) => String(name)),
    );
  }

  async close(): Promise<void> {
    await this.api.close();
    await this.database.drop();
  }

  /** How many rows every table has. */
  async counts(): Promise<Record<string, unknown> | undefined> {
    const counted = this.tables.map((table) => `(SELECT count(*) FROM ${table}) AS ${table}`);
    return (await this.database.rows(`SELECT ${counted.join(', ')}`))[0];
  }

  /** Expects the right status and a problem document that says what to do, and that nothing is written. */
  async refused(run: () => Promise<Called>, status: number, reason: string | undefined): Promise<Called> {
    const before = await this.counts();
    const answer = await run();
    expect({ status: answer.status, json: answer.json }).toMatchObject({ status, json: { status } });
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(answer.json).toMatchObject({
      type: expect.stringMatching(/^urn:farebox:problem:/),
      title: expect.any(String),
      code: expect.any(String),
      instance: answer.headers.get('x-request-id'),
      ...(reason === undefined ? {} : { reason }),
    });
    // Says what to do: more than a word or two.
    expect(answer.json.detail).toMatch(/^\S.{25,}$/s);
    expect(answer.text).not.toMatch(/ at .*\.[jt]s:\d|SELECT|prisma|fbx_(live|test)_\w/i);
    expect(await this.counts()).toEqual(before);
    return answer;
  }
}
