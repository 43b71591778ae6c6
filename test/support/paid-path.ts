import pg from 'pg';
import { erc20Asset } from '@core/money';
import type { PaymentAsset } from '@core/payments';
import { type ChainHead, ChainReader, type PayerState } from '@core/settlement';
import { Clock, instant, type Instant } from '@core/time';
import { decodePaymentRequired, encodePaymentPayload, exactPayloadOf, type PaymentRequired } from '@core/x402';
import { CreateMeter } from '@features/metering';
import {
  type CheckDecision,
  openPayments,
  type Payments,
  type RequestToCheck,
  type UptoDoors,
  type WireReply,
} from '@features/payments';
import { CreatePrice, PriceBookCache } from '@features/pricing';
import { Eip3009Verifier } from '@platform/chain';
import { Database, Writer } from '@platform/database';
import { Outbox } from '@platform/queues';
import { SystemIds } from '@platform/system';
import { createTestDatabase, seedProvider, type TestDatabase } from './database.js';
import { Payer, USDC_ADDRESS, USDC_DOMAIN } from './payer.js';

export class HeldClock extends Clock {
  constructor(public at: Instant) {
    super();
  }
  now(): Instant {
    return this.at;
  }
}

const RICH: PayerState = { balance: 1_000_000_000n, nonceUsed: false, blocked: false, paused: false, hasCode: false };

/** What a chain says is set by the test; the real reader has its own tests against a real chain. */
export class ScriptedChain extends ChainReader {
  payer = RICH;
  constructor(private readonly clock: Clock) {
    super();
  }
  reset(): void {
    this.payer = RICH;
  }
  head(): Promise<ChainHead> {
    const fetchedAt = this.clock.now();
    return Promise.resolve({ number: 1n, hash: '0x', timestamp: BigInt(Math.floor(fetchedAt / 1000)), fetchedAt });
  }
  payerState(requests: readonly unknown[]): Promise<PayerState[]> {
    return Promise.resolve(requests.map(() => this.payer));
  }
}

export const USDC: PaymentAsset = {
  id: erc20Asset(84532, USDC_ADDRESS),
  network: 'eip155:84532',
  networkV1: 'base-sepolia',
  domain: USDC_DOMAIN,
  displayAddress: USDC_ADDRESS,
  symbol: 'USDC',
  decimals: 6,
};

/** The JSON of an answer. */
export const body = (reply: WireReply): { [field: string]: unknown } => {
  const text = Buffer.from(reply.body, 'base64').toString();
  const value: unknown = JSON.parse(text);
  return typeof value === 'object' && value !== null ? { ...value } : {};
};

export const replyOf = (decision: CheckDecision): WireReply => {
  if (decision.decision === 'serve') throw new Error('expected an answer, not leave to serve');
  return decision.reply;
};

export const paymentOf = (decision: CheckDecision) => {
  if (decision.decision !== 'serve')
    throw new Error(`expected leave to serve, got ${decision.decision} ${JSON.stringify(body(decision.reply))}`);
  return decision.payment;
};

export function challengeOf(decision: CheckDecision): PaymentRequired {
  const read = decodePaymentRequired(replyOf(decision).headers['PAYMENT-REQUIRED'] ?? '');
  if (!read.ok) throw new Error(read.message);
  return read.payload;
}

export const ANSWER: WireReply = {
  status: 200,
  headers: { 'content-type': 'text/plain' },
  body: Buffer.from('42').toString('base64'),
};

/** The paid path on a real database, as two processes would run it, with a meter `calls` at 0.004 USDC a call. */
export class PaidPath {
  private constructor(
    readonly db: TestDatabase,
    readonly owner: pg.Pool,
    readonly database: Database,
    readonly clock: HeldClock,
    readonly chain: ScriptedChain,
    readonly provider: string,
    readonly payTo: string,
    readonly a: Payments,
    readonly b: Payments,
    private readonly writers: readonly Writer[],
  ) {}

  static async open({ upto }: { readonly upto?: UptoDoors } = {}): Promise<PaidPath> {
    const payTo = '0x70997970c51812dc3a010c7d01b50e0d17dc79c8';
    const db = await createTestDatabase();
    const owner = new pg.Pool({ connectionString: db.ownerUrl, max: 2 });
    const database = new Database(db.appUrl, 4);
    const clock = new HeldClock(instant(Date.now()));
    const chain = new ScriptedChain(clock);
    const ids = new SystemIds();
    const { provider } = await seedProvider(db, { payTo });
    await new CreateMeter(database, ids, clock).run({ provider, name: 'calls', aggregation: 'count', unit: 'calls' });
    await owner.query('UPDATE providers SET raise_first_payment = false');
    const writers = [new Writer(db.writerUrl, 4), new Writer(db.writerUrl, 4)];
    const verifier = await Eip3009Verifier.create();
    const open = (writer: Writer) =>
      openPayments({
        database,
        writer,
        book: new PriceBookCache(database, clock),
        chain,
        verifier,
        clock,
        ids,
        assets: () => [USDC],
        upto,
        settings: {
          publicUrl: 'https://farebox.example',
          quoteSecret: 'q'.repeat(40),
          quoteSeconds: 300,
          releaseWaitMs: 300,
          settleWaitMs: 300,
          staleSeconds: 30,
          exposureCap: undefined,
        },
      });
    const [first, second] = writers;
    if (!first || !second) throw new Error('two writers were opened');
    const path = new PaidPath(db, owner, database, clock, chain, provider, payTo, open(first), open(second), writers);
    await path.price('0.004');
    return path;
  }

  async price(rate: string, effectiveAt?: Instant): Promise<void> {
    await new CreatePrice(this.database, new Outbox(), this.clock, new SystemIds()).run({
      provider: this.provider,
      meter: 'calls',
      model: 'per_unit',
      definition: { rate },
      asset: USDC,
      release: 'authorized',
      effectiveAt,
    });
  }

  check(change: Partial<RequestToCheck> = {}, through = this.a): Promise<CheckDecision> {
    const request: RequestToCheck = {
      method: 'GET',
      url: 'https://api.example.com/hello?name=x',
      meter: 'calls',
      ...change,
    };
    return through.check.run({ provider: this.provider, request });
  }

  seconds(): number {
    return Math.floor(this.clock.now() / 1000);
  }

  async count(table: string): Promise<number> {
    return Number((await this.owner.query<{ n: string }>(`SELECT count(*) AS n FROM ${table}`)).rows[0]?.n);
  }

  /** A challenge answered as the public client answers it. */
  async signed(payer = new Payer(), change: Parameters<Payer['accept']>[2] = {}, asked: Partial<RequestToCheck> = {}) {
    const required = challengeOf(await this.check(asked));
    const [offer] = required.accepts;
    if (!offer) throw new Error('the challenge offers nothing');
    const authorization = await payer.accept(offer, this.seconds(), change);
    const header = encodePaymentPayload({
      x402Version: 2,
      accepted: offer,
      payload: { ...exactPayloadOf(authorization) },
    });
    return { required, offer, authorization, header };
  }

  async close(): Promise<void> {
    await Promise.all([this.a.close(), this.b.close()]);
    await Promise.all([this.database.close(), this.owner.end(), ...this.writers.map((writer) => writer.close())]);
    await this.db.drop();
  }
}
