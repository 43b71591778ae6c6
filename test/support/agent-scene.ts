import { generateKeyPairSync, type JsonWebKey } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SignInChallenge } from '@core/agents';
import { type IdPrefix, IdSource } from '@core/ids';
import { addMs, Clock, instant, type Instant } from '@core/time';
import { CreateAccount, CreateProvider, openAgents } from '@features/accounts';
import { TextSignatures } from '@platform/chain';
import { Database, Writer } from '@platform/database';
import { Outbound, WebKeyDirectory } from '@platform/outbound';
import { createSIWxPayload, encodeSIWxHeader } from '@x402/extensions/sign-in-with-x';
import pg from 'pg';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { signatureHeaders } from 'web-bot-auth';
import { Ed25519Signer } from 'web-bot-auth/crypto';
import { createTestDatabase, type TestDatabase } from './database.js';

/** What the specs about agents stand on: a real database, a real host with a key directory, stock clients. */

export class HeldClock extends Clock {
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

export const PEPPER = 'a pepper of the tests, long enough to be one';
const PAY_TO = '0xabcdef0123456789abcdef0123456789abcdef01';

export class AgentScene {
  readonly clock = new HeldClock(instant(1_795_000_000_000));
  readonly ids = new CountedIds();

  private constructor(
    readonly server: TestDatabase,
    readonly database: Database,
    readonly writer: Writer,
    readonly owner: pg.Client,
    private readonly signatures: TextSignatures,
  ) {}

  static async open(): Promise<AgentScene> {
    const server = await createTestDatabase();
    const owner = new pg.Client({ connectionString: server.ownerUrl });
    await owner.connect();
    return new AgentScene(
      server,
      new Database(server.appUrl, 5),
      new Writer(server.writerUrl, 5),
      owner,
      await TextSignatures.create(),
    );
  }

  async close(): Promise<void> {
    await Promise.all([this.database.close(), this.writer.close(), this.owner.end()]);
    await this.server.drop();
  }

  /** The commands as one process has them: what is remembered is its own. */
  process({ database = this.database, writer = this.writer } = {}) {
    return openAgents({
      database,
      writer,
      clock: this.clock,
      ids: this.ids,
      pepper: PEPPER,
      signatures: this.signatures,
      directory: new WebKeyDirectory(new Outbound({ loopback: true }), this.clock),
    });
  }

  async provider(): Promise<string> {
    return (await new CreateProvider(this.database, this.ids, this.clock).run({ name: 'Acme', payTo: PAY_TO })).id;
  }

  async account(provider: string): Promise<string> {
    const { account } = await new CreateAccount(this.database, this.ids, this.clock).run({ provider });
    return account.id;
  }

  async usedProofs(provider: string): Promise<number> {
    const { rows } = await this.owner.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM used_proofs WHERE provider_id = $1',
      [provider],
    );
    return rows[0]?.n ?? -1;
  }

  /** Links as a payment does. */
  async paid(provider: string, account: string, wallet: string): Promise<void> {
    await this.owner.query(
      "INSERT INTO identities (provider_id, kind, subject, account_id) VALUES ($1, 'wallet', $2, $3)",
      [provider, wallet, account],
    );
  }
}

/** A wallet with the public client. */
export class SigningWallet {
  readonly account = privateKeyToAccount(generatePrivateKey());

  get address(): string {
    return this.account.address.toLowerCase();
  }

  /** The header the public client makes of a challenge. */
  async signIn({ info, supportedChains }: SignInChallenge): Promise<string> {
    const [chain] = supportedChains;
    if (!chain) throw new Error('the challenge names no chain');
    const asked = { ...info, resources: [...info.resources], ...chain };
    return encodeSIWxHeader(await createSIWxPayload(asked, this.account, info.uri));
  }
}

type Components = NonNullable<Parameters<typeof signatureHeaders>[2]['components']>;

/** A host that publishes the key of its agents, and signs their requests with the public library. */
export class AgentHost {
  /** How often its directory was asked for. */
  asked = 0;

  private constructor(
    private readonly server: http.Server,
    private readonly privateKey: JsonWebKey,
  ) {}

  static async open(): Promise<AgentHost> {
    const privateKey = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
    const server = http.createServer();
    const host = new AgentHost(server, privateKey);
    const { kty, crv, x } = privateKey;
    server.on('request', (_, response: http.ServerResponse) => {
      host.asked += 1;
      response.writeHead(200, { 'cache-control': 'max-age=300' }).end(JSON.stringify({ keys: [{ kty, crv, x }] }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return host;
  }

  get name(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** The proof on a request; `headers` are those it carries besides. */
  async sign(
    request: { method: string; url: string; headers?: Readonly<Record<string, string>> },
    signed: { now: Instant; components?: Components; seconds?: number; by?: AgentHost },
  ) {
    const agent = `"http://${this.name}"`;
    const made = await signatureHeaders(
      { ...request, headers: { ...request.headers, 'signature-agent': agent } },
      await Ed25519Signer.fromJWK((signed.by ?? this).privateKey),
      {
        created: new Date(signed.now),
        expires: new Date(signed.now + (signed.seconds ?? 60) * 1000),
        ...(signed.components === undefined ? {} : { components: signed.components }),
      },
    );
    return { signature: made.Signature, signatureInput: made['Signature-Input'], signatureAgent: agent };
  }
}
