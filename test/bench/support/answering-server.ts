// The api's own door and routes with nothing behind them: keys are known, the decisions are made up. What it answers in a second is
// what the api could if deciding and keeping cost nothing. A stand-in for the bench, and for nothing else.
import { env } from 'node:process';
import { addHotRoutes, type CallerCheck, KeyCheck, OperationTable, openDoor } from '@platform/http';
import { SystemIds } from '@platform/system';
import { createLogger, Metrics } from '@platform/telemetry';
import { type GateDecisions, gateOperations, gateRoutes } from '../../../apps/api/src/routes/gate.routes.js';

const { PORT = '', PROVIDER = '' } = env;

class EveryKey extends KeyCheck {
  check(): Promise<CallerCheck> {
    const caller = { provider: PROVIDER, key: 'key_0', scopes: ['gate'], environment: 'test' };
    return Promise.resolve({ outcome: 'authenticated', caller });
  }
}

const ids = new SystemIds();
const view = (id: string) => ({
  id,
  status: 'reserved' as const,
  account: 'acct_00000000000000000000000000000000',
  payer: 'key_00000000000000000000000000000000',
  network: 'farebox:prepaid',
  asset: 'eip155:84532/erc20:0x036cbd53842c5426634e7929541ec2318f3dcf7e',
  amount: '4000',
  meter: 'api.calls',
  quantity: '1',
  priceVersion: 'prc_00000000000000000000000000000000',
  statusUrl: `http://127.0.0.1/v1/payments/${id}`,
});
const never = () => Promise.reject(new Error('this stand-in is asked to check and to capture'));
const decided: GateDecisions = {
  extend: { run: never },
  void: { run: never },
  check: {
    run: () => Promise.resolve({ decision: 'serve', payment: view(ids.next('hld')), captureWithinSeconds: 120 }),
  },
  capture: {
    run: ({ request }: { request: { payment: string } }) =>
      Promise.resolve({
        decision: 'release',
        payment: { ...view(request.payment), status: 'final', charged: '4000' },
        headers: { 'PAYMENT-RESPONSE': 'e'.repeat(480), 'cache-control': 'private, no-store' },
      }),
  },
};

const metrics = new Metrics();
const options = {
  operations: new OperationTable(gateOperations),
  keys: new EveryKey(),
  ids,
  logger: createLogger({ level: 'warn', service: 'api' }),
  metrics,
  pages: [],
  trustedProxies: 0,
};
const server = await openDoor(options);
await addHotRoutes(server, options, gateRoutes(decided, metrics));
await server.listen({ port: Number(PORT), host: '127.0.0.1' });

// Node ends by a signal without writing the profile it was asked for.
process.on('SIGTERM', () => process.exit(0));
