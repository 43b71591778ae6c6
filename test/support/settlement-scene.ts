import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { mnemonicToAccount } from 'viem/accounts';
import { capturePayment } from '@core/ledger';
import { amount, erc20Asset } from '@core/money';
import type { CrashPoint } from '@core/settlement';
import type { ExactAuthorization, Hex } from '@core/x402';
import { Ledger, postings } from '@features/ledger';
import {
  type ConfirmSettlement,
  RegisterSigners,
  settlementCommands,
  type SettlementTerms,
  type SubmitSettlement,
} from '@features/settlement';
import { UsdcRail } from '@platform/chain';
import { Writer } from '@platform/database';
import { SystemIds } from '@platform/system';
import { type Chain, CHAIN_ID, startChain, TEST_MNEMONIC } from '../../tools/servers/chain.mjs';
import { placeChannels } from '../../tools/servers/channels.mjs';
import { rpc } from '../../tools/servers/rpc.mjs';
import { type LocalUsdc, MULTICALL3_ADDRESS, placeUsdc, USDC_ADDRESS } from '../../tools/servers/usdc.mjs';
import { createTestDatabase, seedProvider, type TestDatabase } from './database.js';
import { NoCrash } from './interrupt.js';
import { Payer } from './payer.js';
import { cancelAuthorization, relayAsStranger } from './stranger.js';
import { until } from './until.js';

const lower = (text: string): Hex => `0x${text.slice(2).toLowerCase()}`;

const ASSET = erc20Asset(CHAIN_ID, USDC_ADDRESS);

export const relayerKey = (index: number): Hex => {
  const bytes = mnemonicToAccount(TEST_MNEMONIC, { addressIndex: index }).getHdKey().privateKey;
  return `0x${Buffer.from(bytes ?? []).toString('hex')}`;
};

export interface PaymentState {
  readonly state: string;
  readonly transaction: Hex | undefined;
  readonly failure: { readonly kind?: string } | null;
  readonly batch: string | null;
}

interface ServeTerms {
  readonly value?: bigint;
  /** Seconds of the chain's time until the authorization ends. */
  readonly lifetime?: number;
  /** Which of the scene's providers. */
  readonly provider?: number;
  readonly nonce?: Hex;
  readonly ttlSeconds?: number;
  /** What it is for; a call when absent. */
  readonly origin?: string;
}

interface SceneOptions {
  readonly blockTime?: number;
  /** `false`: blocks come only by `mine`. */
  readonly mining?: boolean;
  readonly finality?: number;
  readonly relayers?: number;
  readonly providers?: number;
  readonly terms?: Partial<SettlementTerms>;
}

/** Settlement on a real database and a real chain with the genuine USDC, without queues and processes around it. */
export class SettlementScene {
  /** Who is paid: one address for each provider, without any USDC at the start. */
  readonly payees: Hex[] = [];
  readonly providers: { id: string; account: string }[] = [];
  readonly #relayerFunds = new Map<Hex, bigint>();

  private constructor(
    readonly db: TestDatabase,
    readonly owner: pg.Pool,
    readonly writer: Writer,
    readonly chain: Chain,
    readonly usdc: LocalUsdc,
    readonly rail: UsdcRail,
    readonly terms: SettlementTerms,
    readonly finality: number,
    readonly relayerKeys: readonly Hex[],
  ) {}

  static async build(options: SceneOptions = {}): Promise<SettlementScene> {
    const { blockTime, mining, finality = 2, relayers = 2, providers = 1 } = options;
    const chain = await startChain({
      ...(blockTime === undefined ? {} : { blockTime }),
      ...(mining === undefined ? {} : { mining }),
    });
    const [db, usdc] = await Promise.all([createTestDatabase(), placeUsdc(chain.url), placeChannels(chain.url)]);
    const owner = new pg.Pool({ connectionString: db.ownerUrl, max: 3 });
    owner.on('error', () => undefined);
    const relayerKeys = Array.from({ length: relayers }, (_, i) => relayerKey(i + 1));
    const rail = new UsdcRail({
      rpcUrl: chain.url,
      chainId: CHAIN_ID,
      multicall: MULTICALL3_ADDRESS,
      relayerKeys,
      finality,
    });
    const terms = {
      batch: 100,
      windowMs: 0,
      pollMs: 1,
      replaceAfterMs: 60_000,
      feeCap: 10n ** 12n,
      owner: 'test',
      ...options.terms,
    };
    const writer = new Writer(db.writerUrl, 6);
    const scene = new SettlementScene(db, owner, writer, chain, usdc, rail, terms, finality, relayerKeys);
    for (let i = 0; i < providers; i += 1) {
      const payTo = lower(`0x${randomBytes(20).toString('hex')}`);
      const { provider, account } = await seedProvider(db, { payTo });
      scene.payees.push(payTo);
      scene.providers.push({ id: provider, account });
    }
    for (const signer of rail.signers) scene.#relayerFunds.set(signer, await rail.balance(signer));
    await new RegisterSigners(writer, rail).run();
    return scene;
  }

  /** Commands as another worker would have them, with a database pool of their own choice and their own crash points. */
  commands(
    crash: CrashPoint = new NoCrash(),
    terms: Partial<SettlementTerms> = {},
  ): { submit: SubmitSettlement; confirm: ConfirmSettlement } {
    const parts = { db: this.writer, rail: this.rail, ledger: new Ledger(), ids: new SystemIds() };
    return settlementCommands({ ...parts, crash, terms: { ...this.terms, ...terms } });
  }

  async payer(funds = 1_000_000n): Promise<Payer> {
    const payer = new Payer();
    await this.usdc.mint(payer.address, funds);
    return payer;
  }

  async headTime(): Promise<bigint> {
    return (await this.rail.view()).head.timestamp;
  }

  /** Claims a truly signed payment, as the gate does, and does not serve it. @returns its id */
  async reserve(payer: Payer, ttlSeconds: number): Promise<string> {
    return (await this.#claim(payer, { ttlSeconds })).id;
  }

  /** Claims a truly signed payment for something else than a call. */
  claim(payer: Payer, terms: ServeTerms & { readonly origin: string }) {
    return this.#claim(payer, terms);
  }

  /** Claims a truly signed payment and captures it. */
  async serve(payer: Payer, terms: ServeTerms = {}): Promise<{ id: string; authorization: ExactAuthorization }> {
    const { id, account, provider, value, authorization } = await this.#claim(payer, terms);
    const transfers = postings([
      capturePayment({ provider, account, payment: id, charged: amount(ASSET, value), meter: 'calls' }),
    ]);
    const captured = await this.writer.query('SELECT * FROM capture_payments($1::jsonb)', [
      JSON.stringify([{ id, provider, charged: value.toString(), quantity: '1', transfers }]),
    ]);
    if (captured.length !== 1) throw new Error('not captured');
    return { id, authorization };
  }

  async #claim(
    payer: Payer,
    { value = 4_000n, lifetime = 300, provider: index = 0, nonce, ttlSeconds = 60, origin = 'gate' }: ServeTerms,
  ) {
    const provider = this.providers[index]?.id;
    const payTo = this.payees[index];
    if (!provider || !payTo) throw new Error('no such provider in the scene');
    const validBefore = (await this.headTime()) + BigInt(lifetime);
    const authorization = await payer.authorize({
      to: payTo,
      value,
      validBefore,
      ...(nonce === undefined ? {} : { nonce }),
    });
    const ids = new SystemIds();
    const id = ids.next('pay');
    const claim = {
      ...{
        ord: 0,
        id,
        provider,
        newAccount: ids.next('acct'),
        origin,
        network: `eip155:${CHAIN_ID}`,
        chainId: CHAIN_ID,
      },
      ...{
        asset: USDC_ADDRESS.toLowerCase(),
        assetId: ASSET,
        payer: payer.address,
        payTo,
        nonce: authorization.nonce.slice(2),
      },
      ...{
        amount: value.toString(),
        validAfter: '0',
        validBefore: validBefore.toString(),
        signature: authorization.signature.slice(2),
      },
      ...{ binding: randomBytes(32).toString('hex'), resource: 'https://api.example.com/', release: 'submitted' },
      ...{ ttlSeconds, balance: '1000000000000' },
    };
    const [claimed] = await this.writer.query<{ outcome: string; account_id: string }>(
      'SELECT * FROM claim_payments($1::jsonb, NULL)',
      [JSON.stringify([claim])],
    );
    if (claimed?.outcome !== 'claimed') throw new Error(`not claimed: ${claimed?.outcome}`);
    return { id, provider, account: claimed.account_id, value, authorization };
  }

  /** Somebody who is not us carries the authorization to the token. @returns the hash; mining is up to the chain */
  relay(authorization: ExactAuthorization, tip = 1): Promise<Hex> {
    return relayAsStranger(this.chain.url, authorization, tip);
  }

  /** The payer takes the authorization back, as the token lets it. */
  cancel(payer: Payer, nonce: Hex, tip = 1): Promise<Hex> {
    return cancelAuthorization(this.chain.url, payer, nonce, tip);
  }

  async payment(id: string): Promise<PaymentState> {
    const { rows } = await this.owner.query<{
      state: string;
      transaction: Buffer | null;
      failure: object | null;
      batch_id: string | null;
    }>('SELECT state, transaction, failure, batch_id FROM payments WHERE id = $1', [id]);
    const [row] = rows;
    if (!row) throw new Error('no such payment');
    const transaction: Hex | undefined = row.transaction ? `0x${row.transaction.toString('hex')}` : undefined;
    return { state: row.state, transaction, failure: row.failure, batch: row.batch_id };
  }

  async states(): Promise<Record<string, number>> {
    const { rows } = await this.owner.query<{ state: string; n: number }>(
      'SELECT state, count(*)::int AS n FROM payments GROUP BY 1 ORDER BY 1',
    );
    return Object.fromEntries(rows.map(({ state, n }) => [state, n]));
  }

  async transactions() {
    const { rows } = await this.owner.query<{
      id: string;
      state: string;
      nonce: string;
      signer: Hex;
      candidates: number;
      hash: Buffer;
    }>(
      `SELECT t.id, t.state, t.nonce::text, t.signer, t.hash, (SELECT count(*)::int FROM chain_candidates c WHERE c.transaction_id = t.id) AS candidates
       FROM chain_transactions t ORDER BY t.signer, t.nonce`,
    );
    return rows;
  }

  rpc(method: string, ...params: unknown[]): Promise<unknown> {
    return rpc(this.chain.url, method, ...params);
  }

  /** Lets the chain's time pass: the next block comes so many seconds later. */
  async pass(seconds: number): Promise<void> {
    await this.rpc('evm_increaseTime', seconds);
    await this.mine();
  }

  async mine(blocks = 1): Promise<void> {
    for (let i = 0; i < blocks; i += 1) await this.rpc('evm_mine');
  }

  /** Makes every delay in the database end now. */
  async hurry(): Promise<void> {
    await this.owner.query('UPDATE chain_transactions SET next_run_at = now() WHERE next_run_at > now()');
    await this.owner.query("UPDATE payments SET next_run_at = now() WHERE next_run_at > now() AND state = 'settling'");
    await this.owner.query('UPDATE chain_signers SET lease_until = now() WHERE lease_until > now()');
  }

  /** One round of a worker: what is due is sent, and what was sent is looked at. */
  async round({ submit, confirm } = this.commands()): Promise<string[]> {
    const sent = await submit.run({ chainId: CHAIN_ID });
    const seen = await confirm.run({ chainId: CHAIN_ID });
    return [...sent.alarms, ...seen.alarms];
  }

  /** Rounds and blocks until every payment has ended and every transaction of ours is final. */
  async untilDone(mineBetween: boolean, deadlineMs = 30_000): Promise<void> {
    await until(
      'everything to end',
      async () => {
        const { rows } = await this.owner.query<{ open: number }>(
          `SELECT (SELECT count(*) FROM payments WHERE state IN ('served', 'settling', 'included'))::int
             + (SELECT count(*) FROM chain_transactions WHERE state NOT IN ('final', 'dropped'))::int AS open`,
        );
        return rows[0]?.open === 0;
      },
      async () => {
        if (mineBetween) await this.mine();
        await this.hurry();
        await this.round();
      },
      deadlineMs,
    );
  }

  /** What the ledger says beside what the chain says, to the unit. Equal when all is final. */
  async books() {
    const balance = async (code: string, detail?: string): Promise<bigint> => {
      const { rows } = await this.owner.query<{ balance: string }>(
        `SELECT (coalesce((SELECT sum(amount) FROM transfers t JOIN ledger_accounts a ON a.id = t.debit_id WHERE a.code = $1 AND ($2::text IS NULL OR a.detail = $2)), 0)
           - coalesce((SELECT sum(amount) FROM transfers t JOIN ledger_accounts a ON a.id = t.credit_id WHERE a.code = $1 AND ($2::text IS NULL OR a.detail = $2)), 0))::text AS balance`,
        [code, detail ?? null],
      );
      return BigInt(rows[0]?.balance ?? '0');
    };
    const ledger: Record<string, bigint> = {};
    const chain: Record<string, bigint> = {};
    for (const payee of this.payees) {
      ledger[payee] = await balance('1020', payee);
      chain[payee] = await this.usdc.balance(payee);
    }
    for (const signer of this.rail.signers) {
      ledger[signer] = -(await balance('1021', signer));
      chain[signer] = (this.#relayerFunds.get(signer) ?? 0n) - (await this.rail.balance(signer));
    }
    return { ledger, chain, inTransit: await balance('1025'), badDebt: await balance('5030') };
  }

  async close(): Promise<void> {
    await this.writer.close();
    await this.owner.end();
    await this.db.drop();
    await this.chain.stop();
  }
}
