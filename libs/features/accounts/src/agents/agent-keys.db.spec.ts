import type { AgentBudget, AgentScope } from '@core/agents';
import { assetId } from '@core/money';
import { addMs } from '@core/time';
import { Database } from '@platform/database';
import { CreateKey, SetTerms, Standing } from '../index.js';
import { AgentScene, PEPPER } from '../../../../../test/support/agent-scene.js';

const USD = assetId('iso4217:USD');
const USDC = assetId('eip155:8453/erc20:0x833589fcd6edb6e08f4c7c32d4f71b54bda02913');
const request = { method: 'GET', url: 'https://api.example.com/v1/search' };

let scene: AgentScene;
beforeAll(async () => {
  scene = await AgentScene.open();
});
afterAll(() => scene.close());

async function newKey(given: { scopes?: AgentScope[]; budgets?: AgentBudget[]; expiresInMs?: number } = {}) {
  const provider = await scene.provider();
  const account = await scene.account(provider);
  const { key, text } = await scene.process().createKey.run({
    provider,
    account,
    name: 'an agent',
    scopes: given.scopes ?? ['pay', 'read'],
    budgets: given.budgets ?? [],
    environment: 'test',
    expiresAt: given.expiresInMs === undefined ? undefined : addMs(scene.clock.now(), given.expiresInMs),
  });
  return { provider, account, key, text };
}

const present = (agents: ReturnType<AgentScene['process']>, provider: string, text: string) =>
  agents.authenticate.run({
    provider,
    proof: { authorization: `Bearer ${text}` },
    request,
    now: scene.clock.now(),
  });

describe('a key of an agent', () => {
  it('tells whose account it is for, what it may do, and what it may spend', async () => {
    const budgets: AgentBudget[] = [
      { asset: USD, span: 'day', amount: 2n ** 70n },
      { asset: USDC, span: 'hour', amount: 0n },
    ];
    const { provider, account, key, text } = await newKey({ scopes: ['pay'], budgets });
    expect(text).toMatch(/^fbx_test_[0-9a-f]{32}_[\w-]{43}$/);
    const agent = await present(scene.process(), provider, text);
    expect(agent).toMatchObject({
      outcome: 'agent',
      account,
      by: { kind: 'key', subject: key.id, keyId: key.id },
      scopes: ['pay'],
    });
    expect(agent.outcome === 'agent' && new Set(agent.budgets)).toEqual(new Set(budgets));
    expect(await scene.process().listKeys.run({ provider, account })).toMatchObject([{ id: key.id, scopes: ['pay'] }]);
  });

  it('says whether its account is suspended, within 5 s', async () => {
    const { provider, account, text } = await newKey();
    const agents = scene.process();
    await new SetTerms(scene.database, scene.clock).run({
      provider,
      account,
      asset: USD,
      period: 'week',
      pastDue: 'suspend',
    });
    const standing = new Standing();
    const isSuspended = async () => {
      scene.clock.advance(5_000);
      return present(agents, provider, text);
    };
    expect(await isSuspended()).toMatchObject({ outcome: 'agent', isSuspended: false });
    await scene.database.forProvider(provider, (tx) => standing.lower(tx, account));
    expect(await isSuspended()).toMatchObject({ outcome: 'agent', isSuspended: true });
    await scene.database.forProvider(provider, (tx) => standing.restore(tx, account));
    expect(await isSuspended()).toMatchObject({ outcome: 'agent', isSuspended: false });
  });

  it('is never taken for a key of a provider, nor a provider’s for it', async () => {
    const { provider, account, text } = await newKey();
    const agents = scene.process();
    expect(await agents.authenticateKey.run(text)).toMatchObject({ outcome: 'agent', holder: { provider, account } });
    const own = await new CreateKey(scene.database, scene.ids, scene.clock, PEPPER).run({
      provider,
      name: 'own',
      scopes: ['read', 'gate'],
      environment: 'test',
    });
    expect(await present(agents, provider, own.text)).toMatchObject({ outcome: 'refused', reason: 'provider_key' });
  });

  it('is unknown to another provider, as is a secret that is wrong in one character', async () => {
    const { provider, text } = await newKey();
    const agents = scene.process();
    const other = await scene.provider();
    expect(await present(agents, other, text)).toMatchObject({ outcome: 'refused', reason: 'unknown_key' });
    const wrong = `${text.slice(0, -1)}${text.endsWith('A') ? 'B' : 'A'}`;
    expect(await present(agents, provider, wrong)).toMatchObject({ outcome: 'refused', reason: 'unknown_key' });
    expect(await present(agents, provider, text.slice(0, -1))).toMatchObject({ reason: 'malformed_key' });
    const bearer = await agents.authenticate.run({
      provider,
      proof: { authorization: 'Bearer a-token-of-the-service-itself' },
      request,
      now: scene.clock.now(),
    });
    expect(bearer).toEqual({ outcome: 'none' });
  });

  it('costs no read while it is remembered', async () => {
    const { provider, text } = await newKey();
    const database = new Database(scene.server.appUrl, 2);
    const agents = scene.process({ database });
    expect((await present(agents, provider, text)).outcome).toBe('agent');
    await database.close();
    scene.clock.advance(3_999);
    expect((await present(agents, provider, text)).outcome).toBe('agent');
    scene.clock.advance(1);
    await expect(present(agents, provider, text)).rejects.toThrow();
  });

  it('is read together with the others that are presented, and again before it is too old while it is in use', async () => {
    const reads: (readonly unknown[])[] = [];
    class Counting extends Database {
      override presentedKey<T>(...asked: Parameters<typeof Database.prototype.presentedKey<T>>): Promise<T> {
        reads.push(asked);
        return super.presentedKey(...asked);
      }
    }
    const database = new Counting(scene.server.appUrl, 2);
    const agents = scene.process({ database });
    const keys = [await newKey(), await newKey(), await newKey()];
    const all = () => Promise.all(keys.map(({ provider, text }) => present(agents, provider, text)));
    expect((await all()).map(({ outcome }) => outcome)).toEqual(['agent', 'agent', 'agent']);
    expect(reads).toHaveLength(1);
    scene.clock.advance(3_000);
    const [revoked] = keys;
    if (!revoked) throw new Error('there is no key');
    await scene.process().revokeKey.run({ ...revoked, key: revoked.key.id });
    expect((await all()).map(({ outcome }) => outcome)).toEqual(['agent', 'agent', 'agent']);
    for (let tries = 0; (await present(agents, revoked.provider, revoked.text)).outcome !== 'refused'; tries += 1) {
      if (tries > 2_000) throw new Error('the key was not read again');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(reads).toHaveLength(2);
    scene.clock.advance(3_999);
    expect((await all()).map(({ outcome }) => outcome)).toEqual(['refused', 'agent', 'agent']);
    await database.close();
  });

  it('stops within 5 s of its revocation, and at its expiry to the millisecond', async () => {
    const { provider, account, key, text } = await newKey({ expiresInMs: 20_000 });
    const elsewhere = scene.process();
    scene.clock.advance(14_999);
    expect((await present(elsewhere, provider, text)).outcome).toBe('agent');
    const brief = await newKey({ expiresInMs: 1_000 });
    scene.clock.advance(999);
    expect((await present(elsewhere, brief.provider, brief.text)).outcome).toBe('agent');
    scene.clock.advance(1);
    expect(await present(elsewhere, brief.provider, brief.text)).toMatchObject({ reason: 'expired_key' });

    expect((await present(elsewhere, provider, text)).outcome).toBe('agent');
    const revoked = await scene.process().revokeKey.run({ provider, account, key: key.id });
    expect(revoked.revokedAt).toBe(scene.clock.now());
    scene.clock.advance(4_000);
    expect(await present(elsewhere, provider, text)).toMatchObject({ reason: 'revoked_key' });
    const again = await scene.process().revokeKey.run({ provider, account, key: key.id });
    expect(again.revokedAt).toBe(revoked.revokedAt);
  });

  it('belongs to an account of its own provider, and is seen by that provider only', async () => {
    const { provider, account, key } = await newKey();
    const other = await scene.provider();
    const agents = scene.process();
    const foreign = { provider: other, account };
    await expect(agents.listKeys.run(foreign)).rejects.toMatchObject({ reason: 'unknown_account' });
    await expect(agents.revokeKey.run({ ...foreign, key: key.id })).rejects.toMatchObject({ reason: 'unknown_key' });
    const second = await scene.account(provider);
    await expect(agents.revokeKey.run({ provider, account: second, key: key.id })).rejects.toMatchObject({
      reason: 'unknown_key',
    });
    const wanted = { ...foreign, name: 'x', scopes: ['pay'] as const, budgets: [], environment: 'test' } as const;
    await expect(agents.createKey.run(wanted)).rejects.toMatchObject({ reason: 'unknown_account' });
  });

  it('is not made without a scope, past its expiry, or with budgets that cannot hold together', async () => {
    const { provider, account } = await newKey();
    const { createKey } = scene.process();
    const wanted = {
      provider,
      account,
      name: 'x',
      scopes: ['pay'] as const,
      budgets: [],
      environment: 'test',
    } as const;
    await expect(createKey.run({ ...wanted, scopes: [] })).rejects.toMatchObject({ reason: 'no_scope' });
    await expect(createKey.run({ ...wanted, expiresAt: scene.clock.now() })).rejects.toMatchObject({
      reason: 'expiry_in_past',
    });
    const [day, month] = [
      { asset: USD, span: 'day', amount: 5n },
      { asset: USD, span: 'month', amount: 4n },
    ] as const;
    await expect(createKey.run({ ...wanted, budgets: [day, day] })).rejects.toMatchObject({ reason: 'budget_twice' });
    await expect(createKey.run({ ...wanted, budgets: [day, month] })).rejects.toMatchObject({
      reason: 'budget_beyond_longer',
    });
  });

  it('is kept as a keyed hash, and its budgets for good', async () => {
    const { key, text } = await newKey({ budgets: [{ asset: USD, span: 'day', amount: 1n }] });
    const secret = text.split('_').slice(3).join('_');
    const { rows } = await scene.owner.query<{ row: string }>('SELECT row_to_json(k)::text AS row FROM agent_keys k');
    for (const { row } of rows) expect(row).not.toContain(secret);
    await expect(
      scene.owner.query('UPDATE agent_key_budgets SET amount = 2 WHERE key_id = $1', [key.id]),
    ).rejects.toThrow(/append-only/);
    await expect(
      scene.owner.query("UPDATE agent_keys SET scopes = ARRAY['manage'] WHERE id = $1", [key.id]),
    ).rejects.toThrow(/check/);
    await expect(
      scene.database.forProvider('prv_x', (tx) => tx.agentKey.updateMany({ data: { expiresAt: null } })),
    ).rejects.toThrow(/denied/);
  });
});
