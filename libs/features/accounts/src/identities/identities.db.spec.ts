import { AgentHost, AgentScene, SigningWallet } from '../../../../../test/support/agent-scene.js';

const PLACE = 'https://pay.example.com/v1/accounts';

let scene: AgentScene;
let provider: string;
let account: string;

beforeAll(async () => {
  scene = await AgentScene.open();
});
afterAll(() => scene.close());
beforeEach(async () => {
  provider = await scene.provider();
  account = await scene.account(provider);
});

const urlOf = (of: string) => `${PLACE}/${of}/identities`;

const offer = (url: string) =>
  scene.process().offerSignIn.run({ provider, url, networks: ['eip155:8453'], now: scene.clock.now() });

async function link(wallet: SigningWallet, to = account, signedFor = to, agents = scene.process()) {
  const signInWithX = await wallet.signIn(offer(urlOf(signedFor)));
  return agents.linkIdentity.run({
    provider,
    account: to,
    proof: { signInWithX },
    request: { method: 'POST', url: urlOf(to) },
  });
}

async function accountAtTheGate(wallet: SigningWallet, agents = scene.process()): Promise<string | undefined> {
  const url = 'https://api.example.com/v1/search';
  const signInWithX = await wallet.signIn(offer(url));
  const answer = await agents.authenticate.run({
    provider,
    proof: { signInWithX },
    request: { method: 'GET', url },
    now: scene.clock.now(),
  });
  return answer.outcome === 'agent' ? answer.account : undefined;
}

describe('a wallet', () => {
  it('is linked by signing in where the account is named, and is the account from then on', async () => {
    const wallet = new SigningWallet();
    expect(await accountAtTheGate(wallet)).toBeUndefined();
    expect(await link(wallet)).toMatchObject({
      outcome: 'linked',
      identity: { kind: 'wallet', subject: wallet.address, account, proof: 'sign-in', linkedAt: scene.clock.now() },
    });
    expect(await accountAtTheGate(wallet)).toBe(account);
    expect((await link(wallet)).outcome).toBe('exists');
    expect(await scene.process().listIdentities.run({ provider, account })).toHaveLength(1);
  });

  it('is not linked by a sign-in for another account, nor by one for a request', async () => {
    const wallet = new SigningWallet();
    const other = await scene.account(provider);
    expect(await link(wallet, account, other)).toMatchObject({
      outcome: 'refused',
      reason: 'invalid_siwx_uri_mismatch',
    });
    const url = 'https://pay.example.com/v1/anything';
    const forRequest = await scene.process().linkIdentity.run({
      provider,
      account,
      proof: { signInWithX: await wallet.signIn(offer(url)) },
      request: { method: 'POST', url: urlOf(account) },
    });
    expect(forRequest).toMatchObject({ outcome: 'refused', reason: 'invalid_siwx_uri_mismatch' });
    const without = await scene.process().linkIdentity.run({
      provider,
      account,
      proof: {},
      request: { method: 'POST', url: urlOf(account) },
    });
    expect(without).toMatchObject({ outcome: 'refused', reason: 'no_proof' });
    expect(await scene.process().listIdentities.run({ provider, account })).toEqual([]);
  });

  it('stays with the account it belongs to, by whatever it came there', async () => {
    const [signed, paid] = [new SigningWallet(), new SigningWallet()];
    const other = await scene.account(provider);
    await link(signed);
    await scene.paid(provider, account, paid.address);
    for (const wallet of [signed, paid]) expect(await link(wallet, other)).toEqual({ outcome: 'taken', account });
  });

  it('comes to one account when two reach for it at once', async () => {
    const wallet = new SigningWallet();
    const accounts = [account, await scene.account(provider), await scene.account(provider)];
    const outcomes = (await Promise.all(accounts.map((to) => link(wallet, to)))).map(({ outcome }) => outcome);
    expect(outcomes.sort()).toEqual(['linked', 'taken', 'taken']);
  });

  it('can be linked with other providers too, each for itself', async () => {
    const wallet = new SigningWallet();
    await link(wallet);
    const first = { provider, account };
    provider = await scene.provider();
    account = await scene.account(provider);
    expect((await link(wallet)).outcome).toBe('linked');
    expect(await accountAtTheGate(wallet)).toBe(account);
    await expect(scene.process().listIdentities.run({ provider, account: first.account })).rejects.toMatchObject({
      reason: 'unknown_account',
    });
    const unlink = scene.process().unlinkIdentity;
    const theirs = { kind: 'wallet', subject: wallet.address } as const;
    await expect(unlink.run({ provider, account: first.account, ...theirs })).rejects.toMatchObject({
      reason: 'unknown_identity',
    });
  });

  it('stops within 5 s of being unlinked, and can come to another account then', async () => {
    const wallet = new SigningWallet();
    await link(wallet);
    const elsewhere = scene.process();
    expect(await accountAtTheGate(wallet, elsewhere)).toBe(account);
    const name = { kind: 'wallet', subject: wallet.address.toUpperCase().replace('0X', '0x') } as const;
    await scene.process().unlinkIdentity.run({ provider, account, ...name });
    scene.clock.advance(4_000);
    expect(await accountAtTheGate(wallet, elsewhere)).toBeUndefined();
    await expect(scene.process().unlinkIdentity.run({ provider, account, ...name })).rejects.toMatchObject({
      reason: 'unknown_identity',
    });
    const other = await scene.account(provider);
    expect((await link(wallet, other)).outcome).toBe('linked');
    expect(await accountAtTheGate(wallet, elsewhere)).toBe(other);
  });

  it('cannot be linked to an account that is not there', async () => {
    const wallet = new SigningWallet();
    await expect(link(wallet, 'acct_none')).rejects.toMatchObject({ reason: 'unknown_account' });
  });
});

describe('a host that publishes keys', () => {
  it('is linked by a signature that names where, and is the account from then on', async () => {
    const host = await AgentHost.open();
    try {
      const request = { method: 'POST', url: urlOf(account) };
      const agents = scene.process();
      const run = async (components?: Parameters<AgentHost['sign']>[1]['components']) =>
        agents.linkIdentity.run({
          provider,
          account,
          proof: await host.sign(request, {
            now: scene.clock.now(),
            ...(components === undefined ? {} : { components }),
          }),
          request,
        });
      expect(await run()).toMatchObject({ outcome: 'refused', reason: 'signature_incomplete' });
      expect(await run(['@authority', '@path', 'signature-agent'])).toMatchObject({
        outcome: 'linked',
        identity: { kind: 'directory', subject: host.name, proof: 'message-signature' },
      });
      const asked = { method: 'GET', url: 'https://api.example.com/' };
      const proof = await host.sign(asked, { now: scene.clock.now() });
      expect(await agents.authenticate.run({ provider, proof, request: asked, now: scene.clock.now() })).toMatchObject({
        outcome: 'agent',
        account,
      });
    } finally {
      await host.close();
    }
  });
});

describe('the table of identities', () => {
  it('refuses what names nobody, and a proof that is none of its kind', async () => {
    const insert = (kind: string, subject: string, proof: string) =>
      scene.owner.query(
        'INSERT INTO identities (provider_id, kind, subject, account_id, proof) VALUES ($1, $2, $3, $4, $5)',
        [provider, kind, subject, account, proof],
      );
    const wallet = `0x${'ab'.repeat(20)}`;
    for (const [kind, subject, proof] of [
      ['wallet', wallet.toUpperCase(), 'payment'],
      ['wallet', 'agent.example', 'sign-in'],
      ['wallet', wallet, 'message-signature'],
      ['directory', 'Agent.example', 'message-signature'],
      ['directory', 'agent.example', 'payment'],
      ['email', 'a@b.example', 'sign-in'],
    ] as const) {
      await expect(insert(kind, subject, proof)).rejects.toThrow(/check constraint/);
    }
  });
});
