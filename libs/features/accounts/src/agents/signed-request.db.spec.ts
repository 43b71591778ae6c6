import { addMs } from '@core/time';
import { Writer } from '@platform/database';
import { AgentHost, AgentScene } from '../../../../../test/support/agent-scene.js';

const request = { method: 'GET', url: 'https://api.example.com/v1/search?q=1' };

// Node's own errors are of another realm here, so the pool's passes as it is where services see `unavailable`.
const DOWN = expect.stringMatching(/^(?:unavailable|ECONNREFUSED)$/);

let scene: AgentScene;
let host: AgentHost;
let provider: string;
let account: string;

beforeAll(async () => {
  scene = await AgentScene.open();
  host = await AgentHost.open();
});
afterAll(async () => {
  await host.close();
  await scene.close();
});
beforeEach(async () => {
  provider = await scene.provider();
  account = await scene.account(provider);
  await know(host);
  host.asked = 0;
});

const know = (agent: AgentHost) =>
  scene.owner.query(
    "INSERT INTO identities (provider_id, kind, subject, account_id, proof) VALUES ($1, 'directory', $2, $3, 'message-signature')",
    [provider, agent.name, account],
  );

type Sent = { method: string; url: string; headers?: Readonly<Record<string, string>> };
type Proof = Awaited<ReturnType<AgentHost['sign']>>;

const show = (proof: Proof, sent: Sent = request, agents = scene.process()) =>
  agents.authenticate.run({ provider, proof, request: sent, now: scene.clock.now() });

const sign = (
  options: { components?: Parameters<AgentHost['sign']>[1]['components']; seconds?: number; by?: AgentHost } = {},
  sent: Sent = request,
) => host.sign(sent, { now: scene.clock.now(), ...options });

describe('a request signed with the public library', () => {
  it('is of the account its host is linked to', async () => {
    const answer = await show(await sign());
    expect(answer).toMatchObject({
      outcome: 'agent',
      account,
      by: { kind: 'directory', subject: host.name },
      scopes: ['pay', 'read'],
      budgets: [],
    });
    expect(answer.outcome === 'agent' && answer.by.kind === 'directory' && answer.by.keyId).toMatch(/^[\w-]{43}$/);
  });

  it('counts once, wherever and however often it is shown', async () => {
    const proof = await sign();
    const answers = await Promise.all(Array.from({ length: 30 }, () => show(proof)));
    expect(answers.filter(({ outcome }) => outcome === 'agent')).toHaveLength(1);
    expect(answers.filter((a) => a.outcome === 'refused' && a.reason === 'signature_replayed')).toHaveLength(29);
  });

  it('counts once, whatever is done to the characters of its headers', async () => {
    const proof = await sign();
    const agents = scene.process();
    const change = (text: string, i: number): string => {
      const place = (i * 7919) % text.length;
      const other = String.fromCharCode(33 + ((text.charCodeAt(place) + i) % 94));
      return text.slice(0, place) + other + text.slice(place + 1);
    };
    const changed = Array.from({ length: 300 }, (_, i) => {
      const name = (['signature', 'signatureInput', 'signatureAgent'] as const)[i % 3] ?? 'signature';
      return { ...proof, [name]: change(proof[name], i) };
    });
    const answers = await Promise.all([...changed, proof].map((each) => show(each, request, agents)));
    expect(answers.filter(({ outcome }) => outcome === 'agent')).toHaveLength(1);
  });

  it('asks a directory once for many requests', async () => {
    const agents = scene.process();
    for (let i = 0; i < 5; i += 1) expect((await show(await sign(), request, agents)).outcome).toBe('agent');
    expect(host.asked).toBe(1);
  });

  it('holds for 30 s', async () => {
    const proof = await sign({ seconds: 300 });
    scene.clock.advance(36_000);
    expect(await show(proof)).toMatchObject({ reason: 'signature_expired' });
    const early = await host.sign(request, { now: addMs(scene.clock.now(), 6_000) });
    expect(await show(early)).toMatchObject({ reason: 'signature_from_the_future' });
    expect(host.asked).toBe(0);
  });

  it('holds for its authority only, and for all it covers', async () => {
    const elsewhere = { ...request, url: 'https://other.example.com/v1/search?q=1' };
    expect(await show(await sign(), elsewhere)).toMatchObject({ reason: 'invalid_signature' });
    const covered = { components: ['@authority', 'signature-agent', '@method', '@path', '@query'] };
    expect((await show(await sign(covered))).outcome).toBe('agent');
    for (const changed of [
      { ...request, method: 'POST' },
      { ...request, url: 'https://api.example.com/v1/other?q=1' },
      { ...request, url: 'https://api.example.com/v1/search?q=2' },
    ]) {
      expect(await show(await sign(covered), changed)).toMatchObject({ reason: 'invalid_signature' });
    }
  });

  it('covers the payment that travels along', async () => {
    const paying = { ...request, headers: { 'payment-signature': 'eyJ4IjoxfQ==' } };
    expect(await show(await sign(), paying)).toMatchObject({ reason: 'invalid_payment_signature' });
    const covering = await sign({ components: ['@authority', 'signature-agent', 'payment-signature'] }, paying);
    const changed = { ...request, headers: { 'payment-signature': 'eyJ4IjoyfQ==' } };
    expect(await show(covering, changed)).toMatchObject({ reason: 'invalid_signature' });
    expect(await show(covering)).toMatchObject({ reason: 'invalid_signature' });
    expect((await show(covering, paying)).outcome).toBe('agent');
  });

  it('covers the agent it names', async () => {
    const made = await host.sign(request, { now: scene.clock.now(), components: ['@authority', 'signature-agent'] });
    const stripped = { ...made, signatureInput: made.signatureInput.replace(' "signature-agent"', '') };
    expect(await show(stripped)).toMatchObject({ reason: 'signature_incomplete' });
    expect((await show(made)).outcome).toBe('agent');
  });

  it('is signed by a key of its own host', async () => {
    const other = await AgentHost.open();
    try {
      expect(await show(await sign({ by: other }))).toMatchObject({ reason: 'invalid_signature' });
      await know(other);
      const proof = await sign();
      expect(await show({ ...proof, signatureAgent: `"http://${other.name}"` })).toMatchObject({
        reason: 'invalid_signature',
      });
    } finally {
      await other.close();
    }
  });

  it('makes nobody ask a host that is not known, and leaves nothing behind', async () => {
    const stranger = await AgentHost.open();
    try {
      const proof = await stranger.sign(request, { now: scene.clock.now() });
      expect(await show(proof)).toMatchObject({ reason: 'signature_agent_unknown' });
      expect(stranger.asked).toBe(0);
      expect(await scene.usedProofs(provider)).toBe(0);
    } finally {
      await stranger.close();
    }
  });

  it('is refused, not an error, when its directory does not answer', async () => {
    const gone = await AgentHost.open();
    await know(gone);
    const proof = await gone.sign(request, { now: scene.clock.now() });
    await gone.close();
    expect(await show(proof)).toMatchObject({ reason: 'key_directory_unavailable' });
  });

  it('is let in by nobody when the database does not answer', async () => {
    const proof = await sign();
    const writer = new Writer('postgresql://farebox_writer@127.0.0.1:1/none', 2);
    await expect(show(proof, request, scene.process({ writer }))).rejects.toMatchObject({ code: DOWN });
    await writer.close();
    expect((await show(proof)).outcome).toBe('agent');
  });

  it('is one: two signatures that say they are an agent’s are none', async () => {
    const [one, two] = [await sign(), await sign()];
    const both = {
      ...one,
      signature: `${one.signature}, ${two.signature.replace('sig1', 'sig2')}`,
      signatureInput: `${one.signatureInput}, ${two.signatureInput.replace('sig1', 'sig2')}`,
    };
    expect(await show(both)).toMatchObject({ reason: 'invalid_signature' });
    // One beside it that says something else is not ours to judge.
    const beside = {
      ...one,
      signature: `${one.signature}, proxy=:AAAA:`,
      signatureInput: `${one.signatureInput}, proxy=("@method");created=1;keyid="x";tag="of-a-proxy"`,
    };
    expect((await show(beside)).outcome).toBe('agent');
  });

  it('is no proof at all when it says nothing of an agent', async () => {
    const signature = 'proxy=:AAAA:';
    const signatureInput = 'proxy=("@method");created=1;keyid="x";tag="of-a-proxy"';
    expect(await show({ signature, signatureInput, signatureAgent: '' })).toEqual({ outcome: 'none' });
  });

  it('is refused for whatever bytes stand in its headers, and never an error', async () => {
    const proof = await sign();
    const broken = [
      { signature: 'sig1' },
      { signature: 'sig1=:AAAA:' },
      { signature: 'sig1="text"' },
      { signature: proof.signature.replace('sig1', 'sig9') },
      { signature: `${proof.signature.slice(0, -4)}AA=:` },
      { signatureInput: `${proof.signatureInput}x` },
      { signatureInput: proof.signatureInput.replace('"@authority"', '"@authority" "@never-heard"') },
      { signatureInput: proof.signatureInput.replace('"@authority"', '"@authority" "x-missing"') },
      { signatureInput: proof.signatureInput.replace('"@authority"', '"@authority" "@status"') },
      { signatureInput: proof.signatureInput.replace('"@authority"', '1 2') },
      { signatureInput: `sig1=1;tag="web-bot-auth"` },
      { signatureInput: proof.signatureInput.replace(/created=\d+/, 'created="now"') },
      { signatureInput: proof.signatureInput.replace(/keyid="[^"]*"/, 'keyid=:AAAA:') },
      { signatureInput: 'x'.repeat(5_000) },
      { signatureAgent: '"https://[::1]"' },
      { signatureAgent: '' },
    ];
    for (const change of broken) {
      expect({ change, ...(await show({ ...proof, ...change })) }).toMatchObject({ change, outcome: 'refused' });
    }
    expect((await show(proof)).outcome).toBe('agent');
  });
});
