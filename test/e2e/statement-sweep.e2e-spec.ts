import { collect, entry } from '@core/ledger';
import { amount, assetId, USD } from '@core/money';
import { instant } from '@core/time';
import { Ledger } from '@features/ledger';
import { StatementStates } from '@features/statements';
import { CreditLines } from '@features/wallet';
import { Database, type Tx } from '@platform/database';
import { SystemIds } from '@platform/system';
import { decodePaymentRequiredHeader, decodePaymentResponseHeader } from '@x402/core/http';
import { agentV1With, agentWith } from '../support/agent.js';
import { railOf, verifyBooks } from '../support/books.js';
import { House } from '../support/house.js';
import { until } from '../support/until.js';
import { rpc } from '../../tools/servers/rpc.mjs';
import { USDC_ADDRESS } from '../../tools/servers/usdc.mjs';

// A deferred account is billed, and any agent pays the statement as it would pay for a call: the statement itself answers 402.

const USDC = assetId(`eip155:84532/erc20:${USDC_ADDRESS.toLowerCase()}`);
const DAY_MS = 86_400_000;
const JSON_BODY = { 'content-type': 'application/json' };

type Fetch = typeof globalThis.fetch;
// The shape of an answer is what the tests are about.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Json = any;

describe('a statement paid in USDC', () => {
  let house: House;
  let database: Database;
  let wallets = 20;
  let serial = 0;
  const ids = new SystemIds();
  const ledger = new Ledger();

  beforeAll(async () => {
    house = await House.build({ finality: 4, apis: 2 });
    await house.startWorker();
    database = new Database(house.db.appUrl, 2);
  });

  afterAll(async () => {
    await database?.close();
    await house?.close();
  });

  const api = async (method: string, path: string, body?: unknown): Promise<{ status: number; json: Json }> => {
    const answer = await house.call(path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: JSON_BODY }),
    });
    return { status: answer.status, json: await answer.json().catch(() => undefined) };
  };
  const wallet = (usdc = 1_000_000_000n) => house.wallet((wallets += 1), usdc);
  const payUrl = (statement: string, url = house.url): string => `${url}/v1/statements/${statement}/pay`;
  const post = (statement: string, headers: Record<string, string> = {}, url = house.url): Promise<Response> =>
    fetch(payUrl(statement, url), { method: 'POST', headers });
  const pay = async (statement: string, agent: Fetch): Promise<{ status: number; paid: Json; response: Response }> => {
    const response = await agent(payUrl(statement), { method: 'POST' });
    return { status: response.status, paid: ((await response.json()) as Json).statementPayment, response };
  };
  const statusOf = async (id: string): Promise<Json> =>
    (await fetch(`${house.url}/v1/statement-payments/${id}`)).json();
  const applied = (id: string): Promise<Json> =>
    until(
      'the payment to be applied',
      async () => {
        const paid = await statusOf(id);
        return paid.status === 'applied' && paid;
      },
      undefined,
      60_000,
    );
  const read = async (statement: string): Promise<Json> => {
    const { rows } = await house.owner.query<Json>(
      `SELECT state, due::text, paid::text, (due - paid - credited - written_off)::text AS open FROM statements WHERE id = $1`,
      [statement],
    );
    return rows[0];
  };
  const count = async (sql: string, ...values: unknown[]): Promise<number> =>
    (await house.owner.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${sql}`, values)).rows[0]?.n ?? -1;
  const tx = <T>(run: (tx: Tx) => Promise<T>): Promise<T> => database.forProvider(house.provider, run);

  /** What an account has in each of its ledger accounts, debits positive, without zeros. */
  const booked = async (account: string): Promise<Record<string, string>> => {
    const { rows } = await house.owner.query<{ place: string; sum: string }>(
      `SELECT a.code || CASE WHEN a.asset = 'iso4217:USD' THEN ' usd' ELSE '' END AS place,
         sum(CASE WHEN t.debit_id = a.id THEN t.amount ELSE -t.amount END)::text AS sum
       FROM ledger_accounts a JOIN transfers t ON a.id IN (t.debit_id, t.credit_id) WHERE a.account_id = $1
       GROUP BY 1 HAVING sum(CASE WHEN t.debit_id = a.id THEN t.amount ELSE -t.amount END) <> 0 ORDER BY 1`,
      [account],
    );
    return Object.fromEntries(rows.map(({ place, sum }) => [place, sum]));
  };

  /** An account that was billed for a day that is over. */
  const billed = async (due: bigint, asset = USDC): Promise<{ account: string; statement: string }> => {
    const { id: account } = (await api('POST', '/v1/accounts', {})).json;
    const terms = { asset, period: 'day', rails: ['usdc', 'card'], dueDays: 14 };
    expect((await api('PUT', `/v1/accounts/${account}/terms`, terms)).status).toBe(200);
    expect((await api('PUT', `/v1/accounts/${account}/credit`, { asset, limit: '1000000000000' })).status).toBe(200);
    const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
    await house.owner.query('UPDATE billing_terms SET period_start = $2, period_end = $3 WHERE account_id = $1', [
      account,
      new Date(today - 2 * DAY_MS),
      new Date(today - DAY_MS),
    ]);
    serial += 1;
    const name = `agreed:${serial}`;
    const accrued = entry({ provider: house.provider, name, reference: name, reason: 'agreed' }, [
      {
        leg: 'amount',
        debit: { code: '1110', asset, account },
        credit: { code: '4010', asset, detail: 'plan' },
        amount: amount(asset, due),
      },
    ]);
    await tx(async (on) => {
      await ledger.effective(on, instant(today - 1.5 * DAY_MS), () => ledger.post(on, accrued));
      await new CreditLines().add(on, { account, asset, change: due });
    });
    const closed = await api('POST', '/v1/statements/close', { account });
    expect(closed.json).toMatchObject({ failed: 0 });
    const { data } = (await api('GET', `/v1/accounts/${account}/statements`)).json;
    const { id: statement } = data.find((one: Json) => one.due !== '0');
    expect(await read(statement)).toMatchObject({ state: 'issued', open: due.toString() });
    return { account, statement };
  };

  /** A payment as the public client signs it, which is not sent. */
  const signedFor = async (statement: string): Promise<string> => {
    let header: string | undefined;
    const kept: Fetch = async (input, init) => {
      const asked = new Request(input, init);
      header = asked.headers.get('payment-signature') ?? undefined;
      return header === undefined ? fetch(asked) : new Response('{}', { status: 200 });
    };
    await agentWith(await wallet(), house.chain.url, kept)(payUrl(statement), { method: 'POST' });
    if (header === undefined) throw new Error('the client paid nothing');
    return header;
  };

  it('is paid by the public client; ledger, statement, credit line and chain agree to the unit', async () => {
    const { account, statement } = await billed(123_457n);
    expect(await booked(account)).toEqual({ '1100': '123457' });
    const before = await house.usdc.balance(house.payTo);
    const payer = await wallet();
    const { status, paid, response } = await pay(statement, agentWith(payer, house.chain.url));
    expect(status).toBe(201);
    expect(decodePaymentResponseHeader(response.headers.get('payment-response') ?? '')).toMatchObject({
      success: true,
      payer: payer.address.toLowerCase(),
      amount: '123457',
    });
    expect(paid).toMatchObject({
      statement,
      amount: '123457',
      status: 'confirmed',
      payer: payer.address.toLowerCase(),
    });
    expect(await applied(paid.id)).toMatchObject({ applied: '123457', unapplied: '0' });
    expect(await read(statement)).toMatchObject({ state: 'paid', paid: '123457', open: '0' });
    expect(await booked(account)).toEqual({});
    expect(await house.usdc.balance(house.payTo)).toBe(before + 123_457n);
    const { rows } = await house.owner.query<{ due: string }>(
      'SELECT due::text FROM credit_lines WHERE account_id = $1',
      [account],
    );
    expect(rows).toEqual([{ due: '0' }]);
    const { rows: told } = await house.owner.query<{ rail: string }>(
      `SELECT data ->> 'rail' AS rail FROM webhook_events WHERE type = 'statement.paid' AND object_id = $1`,
      [statement],
    );
    expect(told).toEqual([{ rail: 'usdc' }]);
    const again = await post(statement);
    expect([again.status, ((await again.json()) as Json).reason]).toEqual([409, 'nothing_due']);
  });

  it('in US dollars is paid at par by a client of protocol version 1', async () => {
    const { account, statement } = await billed(91n, USD.id);
    const agent = agentV1With(await wallet(), house.chain.url);
    const { status, paid } = await pay(statement, agent);
    expect([status, paid.amount, paid.asset]).toEqual([201, '910000', USDC]);
    expect(await applied(paid.id)).toMatchObject({ applied: '910000', unapplied: '0' });
    expect(await read(statement)).toMatchObject({ state: 'paid', paid: '91' });
    expect(await booked(account)).toEqual({});
  });

  it('is paid once by one payment, however often and wherever it is presented', async () => {
    const { statement } = await billed(20_000n);
    const header = await signedFor(statement);
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        post(statement, { 'payment-signature': header }, house.urls[i % house.urls.length]),
      ),
    );
    const told = await Promise.all(
      answers.map(async (answer) => ((await answer.json()) as Json).statementPayment?.id as string),
    );
    expect(new Set(told).size).toBe(1);
    await applied(told[0] ?? '');
    const later = await post(statement, { 'payment-signature': header });
    expect([later.status, ((await later.json()) as Json).statementPayment]).toMatchObject([
      201,
      { id: told[0], status: 'applied' },
    ]);
    expect(await read(statement)).toMatchObject({ state: 'paid', paid: '20000' });
    expect(await count('statement_payments WHERE statement_id = $1', statement)).toBe(1);
  });

  it('takes no second payment while one is on its way, nor one that was signed for another statement', async () => {
    const one = await billed(30_000n);
    const other = await billed(30_000n);
    const headers = [await signedFor(one.statement), await signedFor(one.statement)];
    const elsewhere = await post(other.statement, { 'payment-signature': headers[0] ?? '' });
    const { error } = decodePaymentRequiredHeader(elsewhere.headers.get('payment-required') ?? '');
    expect([elsewhere.status, error]).toEqual([402, 'quote_is_for_another_request']);
    const answers = await Promise.all(headers.map((header) => post(one.statement, { 'payment-signature': header })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
    const refused = answers.find(({ status }) => status === 409);
    expect(((await refused?.json()) as Json).reason).toBe('payment_under_way');
    const taken = answers.find(({ status }) => status === 201);
    await applied(((await taken?.json()) as Json).statementPayment.id);
    expect(await read(one.statement)).toMatchObject({ state: 'paid', paid: '30000' });
    // Nothing of the other one's wallet stays set aside.
    expect(await count("payments WHERE origin = 'statement' AND state = 'reserved'")).toBe(0);
    expect(await read(other.statement)).toMatchObject({ state: 'issued', paid: '0' });
  });

  it('leaves over what a card had paid meanwhile, and shows it', async () => {
    const { account, statement } = await billed(80n, USD.id);
    const header = await signedFor(statement);
    // Blocks come by hand: the card is quicker than the chain.
    await rpc(house.chain.url, 'evm_setIntervalMining', 0);
    let paid: Json;
    try {
      const paying = post(statement, { 'payment-signature': header });
      await until(
        'it to be taken',
        async () => (await count('statement_payments WHERE statement_id = $1', statement)) === 1,
      );
      const covers = amount(USD.id, 50n);
      const received = { provider: house.provider, account, attempt: ids.next('att'), covers, cents: covers };
      await tx(async (on) => {
        await ledger.post(on, collect({ ...received, from: 'invoiced', over: amount(USD.id, 0n) }));
        await new StatementStates(ids).receive(on, { statement, amount: 50n, rail: 'card' });
      });
      await rpc(house.chain.url, 'evm_mine');
      paid = ((await (await paying).json()) as Json).statementPayment;
    } finally {
      await rpc(house.chain.url, 'evm_setIntervalMining', 1);
    }
    expect(await applied(paid.id)).toMatchObject({ amount: '800000', applied: '300000', unapplied: '500000' });
    expect(await read(statement)).toMatchObject({ state: 'paid', paid: '80' });
    expect(await booked(account)).toEqual({ '2020': '-500000' });
    const { data } = (await api('GET', `/v1/statements/${statement}/payments`)).json;
    expect(data).toEqual([await statusOf(paid.id)]);
  });

  it('is nobody’s to pay when it is not there', async () => {
    for (const id of [`stm_${'0'.repeat(32)}`, 'stm_x']) {
      const answer = await post(id);
      expect([answer.status, ((await answer.json()) as Json).reason]).toEqual([404, 'unknown_statement']);
    }
    const unknown = await fetch(`${house.url}/v1/statement-payments/spm_${'0'.repeat(32)}`);
    expect([unknown.status, ((await unknown.json()) as Json).reason]).toEqual([404, 'unknown_statement_payment']);
  });

  it('leaves books that hold', async () => {
    await until(
      'all payments to end',
      async () => (await count("payments WHERE state NOT IN ('settled', 'voided')")) === 0,
    );
    const checks = await verifyBooks(house.db.auditUrl, railOf(house.config));
    expect(checks.flatMap(({ faults }) => faults)).toEqual([]);
  });

  it('and checks that notice when they do not', async () => {
    await house.owner.query('ALTER TABLE statement_payments DISABLE TRIGGER ends_once');
    await house.owner.query('UPDATE statement_payments SET applied = applied - 1 WHERE applied > 0');
    const checks = await verifyBooks(house.db.auditUrl, railOf(house.config));
    const broken = checks.filter(({ faults }) => faults.length > 0).map(({ invariant }) => invariant);
    expect(broken).toEqual(['T4']);
  });
});
