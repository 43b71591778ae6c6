import { addMs } from '@core/time';
import { Writer } from '@platform/database';
import { AgentScene, SigningWallet } from '../../../../../test/support/agent-scene.js';

const URL_OF = 'https://api.example.com/v1/search?q=1';
const request = { method: 'GET', url: URL_OF };
const networks = ['eip155:8453', 'farebox:prepaid'];

// Node's own errors are of another realm here, so the pool's passes as it is where services see `unavailable`.
const DOWN = expect.stringMatching(/^(?:unavailable|ECONNREFUSED)$/);

let scene: AgentScene;
let provider: string;
let account: string;
let wallet: SigningWallet;

beforeAll(async () => {
  scene = await AgentScene.open();
});
afterAll(() => scene.close());
beforeEach(async () => {
  provider = await scene.provider();
  account = await scene.account(provider);
  wallet = new SigningWallet();
  await scene.paid(provider, account, wallet.address);
});

const offer = (url = URL_OF, of = provider) =>
  scene.process().offerSignIn.run({ provider: of, url, networks, now: scene.clock.now() });

const show = (signInWithX: string, agents = scene.process(), attempt?: string) =>
  agents.authenticate.run({ provider, proof: { signInWithX }, request, attempt, now: scene.clock.now() });

describe('a wallet that signs in with the public client', () => {
  it('is its account', async () => {
    expect(await show(await wallet.signIn(offer()))).toEqual({
      outcome: 'agent',
      account,
      by: { kind: 'wallet', subject: wallet.address },
      scopes: ['pay', 'read'],
      budgets: [],
      isSuspended: false,
    });
  });

  it('is let in once for one proof, however often and wherever it is shown at once', async () => {
    const header = await wallet.signIn(offer());
    const processes = [scene.process(), scene.process(), scene.process()];
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        show(header, processes[i % 3] ?? scene.process(), `attempt-of-arrival-${i}`),
      ),
    );
    expect(answers.filter(({ outcome }) => outcome === 'agent')).toHaveLength(1);
    for (const answer of answers) {
      if (answer.outcome !== 'agent')
        expect(answer).toMatchObject({ outcome: 'refused', reason: 'invalid_siwx_nonce' });
    }
  });

  it('may show its proof again for the same arrival of a request only', async () => {
    const header = await wallet.signIn(offer());
    const agents = scene.process();
    expect((await show(header, agents, 'attempt-one-of-this')).outcome).toBe('agent');
    expect((await show(header, scene.process(), 'attempt-one-of-this')).outcome).toBe('agent');
    for (const other of ['attempt-two-of-this', undefined]) {
      expect(await show(header, agents, other)).toMatchObject({ reason: 'invalid_siwx_nonce' });
    }
    const second = await wallet.signIn(offer());
    expect((await show(second, agents)).outcome).toBe('agent');
    expect(await show(second, agents)).toMatchObject({ reason: 'invalid_siwx_nonce' });
  });

  it('shares a challenge with other wallets, each of which may use it once', async () => {
    const other = new SigningWallet();
    await scene.paid(provider, account, other.address);
    const challenge = offer();
    for (const signer of [wallet, other]) expect((await show(await signer.signIn(challenge))).outcome).toBe('agent');
    for (const signer of [wallet, other]) expect((await show(await signer.signIn(challenge))).outcome).toBe('refused');
  });

  it('leaves nothing behind when nobody knows it', async () => {
    const header = await new SigningWallet().signIn(offer());
    expect(await show(header)).toMatchObject({ outcome: 'refused', reason: 'unknown_agent' });
    expect(await scene.usedProofs(provider)).toBe(0);
  });

  it('signs a nonce of ours, for this provider, while it holds', async () => {
    const otherProvider = await scene.provider();
    for (const challenge of [
      offer(URL_OF, otherProvider),
      { ...offer(), info: { ...offer().info, nonce: '0'.repeat(32) } },
    ]) {
      expect(await show(await wallet.signIn(challenge))).toMatchObject({ reason: 'invalid_siwx_nonce' });
    }
    // Signed anew with a fresh time, an old nonce is still an old nonce.
    const old = offer();
    scene.clock.advance(600_000);
    const now = scene.clock.now();
    const renewed = { ...old, info: { ...old.info, issuedAt: iso(now), expirationTime: iso(addMs(now, 1_000)) } };
    expect(await show(await wallet.signIn(renewed))).toMatchObject({ reason: 'invalid_siwx_nonce' });
  });

  it('is refused when anything of its proof was changed afterwards', async () => {
    const signed: Record<string, unknown> = decode(await wallet.signIn(offer()));
    const changes: Record<string, unknown> = {
      address: new SigningWallet().account.address,
      uri: 'https://api.example.com/v1/other',
      statement: 'and something else',
      chainId: 'eip155:1',
      issuedAt: iso(addMs(scene.clock.now(), -1)),
      expirationTime: iso(addMs(scene.clock.now(), 299_000)),
      notBefore: iso(scene.clock.now()),
      requestId: 'x',
      resources: [],
      signature: String(signed['signature']).replace(/.$/, (v) => (v === 'b' ? 'c' : 'b')),
    };
    for (const [field, value] of Object.entries(changes)) {
      const answer = await show(encode({ ...signed, [field]: value }));
      expect({ field, answer }).toMatchObject({ field, answer: { reason: 'invalid_siwx_signature' } });
    }
    expect((await show(encode(signed))).outcome).toBe('agent');
  });

  it('is let in once, whatever is done to the bytes of its proof', async () => {
    const header = await wallet.signIn(offer());
    const agents = scene.process();
    const bytes = Buffer.from(header, 'base64');
    const changed = Array.from({ length: 400 }, (_, i) => {
      const copy = Buffer.from(bytes);
      const place = (i * 7919) % copy.length;
      copy[place] = (copy[place] ?? 0) ^ (1 << (i % 8));
      return copy.toString('base64');
    });
    const rewritten = [
      encode({ ...decode(header), signature: String(decode(header)['signature']).toUpperCase().replace('0X', '0x') }),
      encode(Object.fromEntries(Object.entries(decode(header)).reverse())),
      encode({ ...decode(header), signatureScheme: 'eip191' }),
      encode({ ...decode(header), unheardOf: 1 }),
      header,
    ];
    const answers = await Promise.all([...changed, ...rewritten].map((each) => show(each, agents)));
    expect(answers.filter(({ outcome }) => outcome === 'agent')).toHaveLength(1);
    expect(answers.filter(({ outcome }) => outcome === 'none')).toEqual([]);
  });

  it('has one signature: the other root and other encodings of the same do not pass', async () => {
    const signed: Record<string, unknown> = decode(await wallet.signIn(offer()));
    const text = String(signed['signature']).slice(2);
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const s = (order - BigInt(`0x${text.slice(64, 128)}`)).toString(16).padStart(64, '0');
    const v = Number.parseInt(text.slice(128), 16);
    const hex = (n: number) => n.toString(16).padStart(2, '0');
    for (const other of [text.slice(0, 64) + s + hex(v === 27 ? 28 : 27), text.slice(0, 128) + hex(v - 27)]) {
      expect(await show(encode({ ...signed, signature: `0x${other}` }))).toMatchObject({
        reason: 'invalid_siwx_signature',
      });
    }
    expect(await show(encode({ ...signed, signature: `0x${text.slice(0, 128)}` }))).toMatchObject({
      reason: 'invalid_siwx_malformed_signature',
    });
  });

  it('is let in by nobody when the database does not answer', async () => {
    const header = await wallet.signIn(offer());
    const writer = new Writer('postgresql://farebox_writer@127.0.0.1:1/none', 2);
    await expect(show(header, scene.process({ writer }))).rejects.toMatchObject({ code: DOWN });
    await writer.close();
    expect((await show(header)).outcome).toBe('agent');
  });

  it('leaves a used proof behind no longer than the proof could be taken', async () => {
    expect((await show(await wallet.signIn(offer()))).outcome).toBe('agent');
    expect(await scene.usedProofs(provider)).toBe(1);
    scene.clock.advance(700_000);
    const agents = scene.process();
    expect((await show(await wallet.signIn(offer()), agents)).outcome).toBe('agent');
    expect(await scene.usedProofs(provider)).toBe(1);
  });
});

const iso = (ms: number) => new Date(ms).toISOString();
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64');
const decode = (header: string) => JSON.parse(Buffer.from(header, 'base64').toString()) as Record<string, unknown>;
