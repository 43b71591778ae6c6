import type { StartOptions } from './arguments.js';
import { Books } from './books.js';
import type { DataFolder } from './data-folder.js';
import { buyEverything, type Purchase } from './demo-agent.js';
import { type DemoProvider, startDemoProvider } from './demo-provider.js';
import { payByChannel, payFromBalance } from './demo-ways.js';
import { choosePorts } from './ports.js';
import {
  balanceLine,
  channelLine,
  creditLine,
  fundingLine,
  printBooks,
  printWhereToGo,
  purchaseLine,
} from './printout.js';
import { elapsedSeconds, report } from './progress.js';
import { type LocalStripe, startStripe } from './local-stripe.js';
import type { Running } from './running.js';
import { readSecrets } from './secrets.js';
import { fundAgent, seed } from './seed.js';
import { startServers } from './servers.js';
import { startServices } from './services.js';
import { localWallets, type Wallet } from './wallets.js';

/** Brings everything up in its order, lets the agent buy, and says what came of it and where everything is. */
export async function start(options: StartOptions, data: DataFolder, running: Running): Promise<void> {
  if (options.fresh) {
    data.empty();
    report(`Emptied ${data.path}`);
  }
  const { ports, passedOver } = await choosePorts(options.port);
  if (passedOver.length > 0) report(`Taken and passed over: port ${passedOver.join(', ')}`);
  const wallets = localWallets();
  const secrets = readSecrets(data.secrets);

  const servers = await startServers(data, ports, running);
  const stripe = await startStripe({ data, ports, secrets }, running);
  // api and worker need the tables, not the seed, and take longer.
  const [keys, services] = await Promise.all([
    seed(servers, data.secrets, secrets, wallets).then((made) => {
      report('Demo provider, its keys, meters and prices');
      return made;
    }),
    startServices({ servers, ports, secrets, wallets, stripe, data }, running),
  ]);
  report(`api ${services.apiUrl} and worker ${services.workerUrl}`);

  const { apiUrl } = services;
  const provider = await running.add(
    await startDemoProvider({ port: ports.demo, apiUrl, key: keys.service, files: data.files }),
  );
  report(`Demo provider ${provider.url}`);

  if (options.demo) {
    report(fundingLine(wallets.agent.address, await fundAgent(servers.usdc, wallets)));
    const books = new Books(apiUrl, keys.owner);
    await demonstrate({ provider, agent: wallets.agent, chainUrl: servers.chain.url, books, stripe, data });
  }
  printWhereToGo(services, {
    demoUrl: provider.url,
    chainUrl: servers.chain.url,
    standInUrl: stripe.standIn?.url,
    keys,
    wallets,
    data,
  });
}

/** Calls made in each of the ways that cost no transaction of their own. */
const CALLS = 5;

async function demonstrate(scene: {
  provider: DemoProvider;
  agent: Wallet;
  chainUrl: string;
  books: Books;
  stripe: LocalStripe;
  data: DataFolder;
}): Promise<void> {
  const { provider, agent, chainUrl, books, stripe, data } = scene;
  const purchases: Purchase[] = [];
  for await (const purchase of buyEverything(provider.url, agent)) {
    purchases.push(purchase);
    const first = purchases.length === 1 ? ` (first paid call ${elapsedSeconds().toFixed(1)} s after the start)` : '';
    report(`${purchaseLine(purchase)}${first}`);
  }
  const states = await books.settled(purchases.map(({ payment }) => payment));
  report(`Settlement: ${states.map(({ status }) => status).join(', ')}`);

  const account = states[0]?.account;
  if (account === undefined) throw new Error('The demo agent bought nothing.');
  report(channelLine(await payByChannel(provider.url, agent, chainUrl, CALLS)));
  const balance = await books.giveBalance(account);
  report(balanceLine(await payFromBalance(provider.url, balance.key, CALLS), balance.available));
  const { standIn } = stripe;
  // The last part of the page's address is the id of the session.
  const giveCard = (page: string): void =>
    void standIn?.drive.completeCheckout(page.split('/').at(-1) ?? '', { paymentMethod: 'pm_card_visa' });
  const credit = await books.giveCredit(standIn && giveCard);
  report(creditLine(await payFromBalance(provider.url, credit.key, CALLS), credit.available));
  await provider.reported();
  await books.counted(account);
  // A statement rates what it states, so the balances are read after it.
  const statements = await books.writeStatement(account, data.statements);
  printBooks({
    payments: purchases.flatMap((purchase, place) => {
      const state = states[place];
      return state === undefined ? [] : [{ purchase, state }];
    }),
    account,
    metered: await books.metered(account),
    balances: await books.balances(),
    statements,
  });
}
