import { type IdPrefix, IdSource } from '@core/ids';
import { addMs, Clock, instant, type Instant } from '@core/time';
import { Database } from '@platform/database';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { AuthenticateKey } from './authenticate-key.js';
import { CreateAccount } from './create-account.js';
import { CreateKey } from './create-key.js';
import { CreateProvider } from './create-provider.js';
import { ListAccounts } from './list-accounts.js';
import { ListKeys } from './list-keys.js';
import { ReadAccount } from './read-account.js';
import { ReadProvider } from './read-provider.js';
import { RevokeKey } from './revoke-key.js';
import { UpdateProvider } from './update-provider.js';

const PEPPER = 'a pepper of the tests, long enough to be one';
const PAY_TO = '0xAbCdEf0123456789aBcDeF0123456789abcdef01';

class HeldClock extends Clock {
  constructor(private at: Instant) {
    super();
  }
  now(): Instant {
    return this.at;
  }
  advance(ms: number): void {
    this.at = addMs(this.at, ms);
  }
}

class CountedIds extends IdSource {
  #count = 0n;
  next(prefix: IdPrefix): string {
    this.#count += 1n;
    return `${prefix}_${this.#count.toString(16).padStart(32, '0')}`;
  }
}

const clock = new HeldClock(instant(1_795_000_000_000));
const ids = new CountedIds();
let server: TestDatabase;
let database: Database;
let owner: pg.Client;

beforeAll(async () => {
  server = await createTestDatabase();
  database = new Database(server.appUrl, 5);
  owner = new pg.Client({ connectionString: server.ownerUrl });
  await owner.connect();
});

afterAll(async () => {
  await database.close();
  await owner.end();
  await server.drop();
});

const newProvider = (label = 'Acme') => new CreateProvider(database, ids, clock).run({ name: label, payTo: PAY_TO });
const keys = () => new CreateKey(database, ids, clock, PEPPER);
const newKey = (provider: string) =>
  keys().run({ provider, name: 'ci', scopes: ['gate', 'read'], environment: 'test' });
const freshAuthenticator = () => new AuthenticateKey(database, clock, PEPPER);

describe('a key', () => {
  it('authenticates its holder, with its scopes', async () => {
    const provider = await newProvider();
    const { key, text } = await newKey(provider.id);
    expect(text).toMatch(/^fbx_test_[0-9a-f]{32}_[\w-]{43}$/);
    expect(await freshAuthenticator().run(text)).toEqual({
      outcome: 'authenticated',
      holder: { provider: provider.id, key: key.id, scopes: ['gate', 'read'], environment: 'test' },
    });
  });

  it('is kept as a keyed hash only', async () => {
    const { text } = await newKey((await newProvider()).id);
    const secret = text.split('_').slice(3).join('_');
    const { rows } = await owner.query<{ row: string }>('SELECT row_to_json(k)::text AS row FROM provider_keys k');
    expect(rows.length).toBeGreaterThan(0);
    for (const { row } of rows) expect(row).not.toContain(secret);
    const otherPepper = new AuthenticateKey(database, clock, `${PEPPER}!`);
    expect(await otherPepper.run(text)).toEqual({ outcome: 'refused', reason: 'unknown' });
  });

  it('is refused when malformed, unknown, or with any character of its secret changed', async () => {
    const { text } = await newKey((await newProvider()).id);
    const authenticate = freshAuthenticator();
    for (const bad of [
      '',
      'fbx',
      'Bearer x',
      text.toUpperCase(),
      `${text}A`,
      text.slice(0, -1),
      ` ${text}`,
      text.replace('test', 'prod'),
    ]) {
      expect(await authenticate.run(bad)).toEqual({ outcome: 'refused', reason: 'malformed' });
    }
    const last = text.at(-1) === 'A' ? 'B' : 'A';
    const wrong = [
      `${text.slice(0, -1)}${last}`,
      text.replace(/_[0-9a-f]{32}_/, `_${'0'.repeat(32)}_`),
      text.replace('test', 'live'),
    ];
    for (const bad of wrong) expect(await authenticate.run(bad)).toEqual({ outcome: 'refused', reason: 'unknown' });
  });

  it('stops within 5 s of its revocation, also where it is remembered', async () => {
    const provider = await newProvider();
    const { key, text } = await newKey(provider.id);
    const elsewhere = freshAuthenticator();
    expect((await elsewhere.run(text)).outcome).toBe('authenticated');
    const revoke = new RevokeKey(database, clock);
    const revoked = await revoke.run({ provider: provider.id, key: key.id });
    expect(revoked.revokedAt).toBe(clock.now());
    clock.advance(5_000);
    expect(await elsewhere.run(text)).toEqual({ outcome: 'refused', reason: 'revoked' });
    expect((await revoke.run({ provider: provider.id, key: key.id })).revokedAt).toBe(revoked.revokedAt);
  });

  it('works at once although it was asked for before it existed', async () => {
    const provider = await newProvider();
    const { text } = await newKey(provider.id);
    const authenticate = freshAuthenticator();
    await owner.query(`CREATE TABLE aside AS SELECT * FROM provider_keys`);
    await owner.query(`DELETE FROM provider_keys`);
    expect((await authenticate.run(text)).outcome).toBe('refused');
    await owner.query(`INSERT INTO provider_keys SELECT * FROM aside`);
    await owner.query(`DROP TABLE aside`);
    expect((await authenticate.run(text)).outcome).toBe('authenticated');
  });

  it('ends at its expiry, to the millisecond', async () => {
    const provider = await newProvider();
    const expiresAt = addMs(clock.now(), 1_000);
    const { text } = await keys().run({
      provider: provider.id,
      name: 'brief',
      scopes: ['read'],
      environment: 'live',
      expiresAt,
    });
    const authenticate = freshAuthenticator();
    clock.advance(999);
    expect((await authenticate.run(text)).outcome).toBe('authenticated');
    clock.advance(1);
    expect(await authenticate.run(text)).toEqual({ outcome: 'refused', reason: 'expired' });
  });

  it('cannot make a key that may do more, nor one that may do nothing, nor one that has ended', async () => {
    const { id: provider } = await newProvider();
    const wanted = { provider, name: 'x', environment: 'test' } as const;
    await expect(keys().run({ ...wanted, scopes: ['manage', 'finance'], within: ['manage'] })).rejects.toMatchObject({
      code: 'forbidden',
      reason: 'scope_escalation',
      details: { beyond: ['finance'] },
    });
    await expect(keys().run({ ...wanted, scopes: [] })).rejects.toMatchObject({ reason: 'no_scope' });
    await expect(keys().run({ ...wanted, scopes: ['read'], expiresAt: clock.now() })).rejects.toMatchObject({
      reason: 'expiry_in_past',
    });
    expect(await new ListKeys(database).run(provider)).toEqual([]);
  });

  it('lets nobody in when the database does not answer', async () => {
    const gone = new Database('postgresql://farebox_app@127.0.0.1:1/none', 2);
    const authenticate = new AuthenticateKey(gone, clock, PEPPER);
    const { text } = await newKey((await newProvider()).id);
    await expect(authenticate.run(text)).rejects.toMatchObject({ code: 'unavailable' });
    await gone.close();
  });
});

describe('a provider', () => {
  it('is seen by itself only, and so are its keys and accounts', async () => {
    const [one, other] = [await newProvider('One'), await newProvider('Other')];
    const { key } = await newKey(one.id);
    const { account } = await new CreateAccount(database, ids, clock).run({ provider: one.id, name: 'agent' });
    expect(await new ListKeys(database).run(other.id)).toEqual([]);
    await expect(new RevokeKey(database, clock).run({ provider: other.id, key: key.id })).rejects.toMatchObject({
      code: 'not_found',
    });
    await expect(new ReadAccount(database).run({ provider: other.id, account: account.id })).rejects.toMatchObject({
      code: 'not_found',
    });
    expect((await new ListAccounts(database).run({ provider: other.id, limit: 10 })).accounts).toEqual([]);
    expect(await new ReadProvider(database).run(one.id)).toEqual(one);
  });

  it('changes what is given and nothing else', async () => {
    const before = await newProvider();
    expect(before.payTo).toBe(PAY_TO.toLowerCase());
    const update = new UpdateProvider(database);
    const caps = await update.run({ provider: before.id, changes: { exposureCapPayer: 2n ** 77n, raiseAbove: null } });
    expect(caps).toEqual({ ...before, exposureCapPayer: 2n ** 77n, raiseAbove: undefined });
    expect(await new ReadProvider(database).run(before.id)).toEqual(caps);
    for (const payTo of ['0x12', `0x${'0'.repeat(40)}`, PAY_TO.slice(2)]) {
      await expect(update.run({ provider: before.id, changes: { payTo } })).rejects.toMatchObject({
        reason: 'invalid_pay_to',
      });
    }
    await expect(update.run({ provider: 'prv_none', changes: {} })).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('accounts', () => {
  it('of one name are one, however many ask at once', async () => {
    const { id: provider } = await newProvider();
    const create = new CreateAccount(database, ids, clock);
    const answers = await Promise.all(Array.from({ length: 8 }, () => create.run({ provider, name: 'agent-7' })));
    expect(new Set(answers.map(({ account }) => account.id)).size).toBe(1);
    expect(answers.filter(({ outcome }) => outcome === 'created')).toHaveLength(1);
  });

  it('cannot be named like an id or a wallet', async () => {
    const { id: provider } = await newProvider();
    for (const bad of ['acct_mine', PAY_TO]) {
      await expect(new CreateAccount(database, ids, clock).run({ provider, name: bad })).rejects.toMatchObject({
        reason: 'ambiguous_name',
      });
    }
  });

  it('come in pages, each account once', async () => {
    const { id: provider } = await newProvider();
    const create = new CreateAccount(database, ids, clock);
    const opened: string[] = [];
    for (let i = 0; i < 5; i += 1) opened.push((await create.run({ provider })).account.id);
    const list = new ListAccounts(database);
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const page = await list.run({ provider, after, limit: 2 });
      seen.push(...page.accounts.map(({ id }) => id));
      after = page.next;
    } while (after !== undefined);
    expect(seen).toEqual(opened);
  });
});
