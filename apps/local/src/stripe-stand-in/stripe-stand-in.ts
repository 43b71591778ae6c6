import type { AddressInfo } from 'node:net';
import Fastify from 'fastify';
import type { FastifyInstance } from 'fastify';
import type Stripe from 'stripe';
import { Api } from './api.js';
import { booksOf, successesFor } from './books.js';
import type { Books } from './books.js';
import { Chance } from './chance.js';
import { openDoors } from './doors.js';
import { Drive } from './drive.js';
import { Faults } from './faults.js';
import { forgetOldKeys } from './idempotency.js';
import { Runner } from './runner.js';
import { emptyState, readSnapshot, writeSnapshot } from './state.js';
import { addEndpoint } from './webhook-endpoints.js';
import { World } from './world.js';
import type { WebhookSwitches } from './world.js';

export type { Books, Sums } from './books.js';
export type { Drive } from './drive.js';
export type { FaultKind, FaultRule, Faults } from './faults.js';
export type { WebhookSwitches } from './world.js';

export interface StandInOptions {
  /** Absent: a free one. */
  readonly port?: number;
  /** `heldAt` (milliseconds): the clock stands still until it is advanced. Absent: real time, plus what it is advanced by. */
  readonly clock?: { readonly heldAt: number };
  /** Where the state is kept over restarts. Absent: in memory only. */
  readonly snapshotFile?: string;
  /** An endpoint that gets every event, signed with this secret, beside those made through the API. */
  readonly webhook?: { readonly url: string; readonly secret: string };
  /**
   * The time in webhook signatures, which receivers compare with their own clock: the stand-in's, or real time. Absent: real
   * time while the clock runs, since receivers are then processes of their own; the held time where a test holds it.
   */
  readonly signaturesAt?: 'clock' | 'real';
  /** The same seed gives the same ids, faults and order of webhooks. Absent: other ones each time. */
  readonly seed?: string;
}

/** With a running clock, what falls due is looked for this often, in real milliseconds. */
const LOOK_EVERY_MS = 200;

/**
 * A LOCAL STAND-IN for the part of Stripe that Farebox uses. It is not Stripe: no money moves and nothing leaves the machine.
 * The official SDK talks to it unchanged: `new Stripe('sk_test_any', { host, port, protocol: 'http' })`.
 */
export class StripeStandIn {
  private readonly faultsOfApi: Faults;
  private readonly runner: Runner;
  private timer: NodeJS.Timeout | undefined;

  /** What payers and banks do. */
  readonly drive: Drive;

  private constructor(
    private readonly world: World,
    private readonly app: FastifyInstance,
    seed: string,
    private readonly snapshotFile: string | undefined,
  ) {
    const afterwards = (): void => this.afterwards();
    this.faultsOfApi = new Faults(new Chance(`faults ${seed}`));
    this.runner = new Runner(world, () => this.save());
    this.drive = new Drive(world, afterwards);
    new Api(world, this.faultsOfApi, afterwards).serve(app);
    openDoors(app, { world, runner: this.runner, faults: this.faultsOfApi, drive: this.drive });
  }

  static async open(options: StandInOptions = {}): Promise<StripeStandIn> {
    const { clock = { offsetMs: 0 }, snapshotFile, webhook, seed } = options;
    const kept = snapshotFile === undefined ? undefined : readSnapshot(snapshotFile);
    const world = new World(kept ?? emptyState({ ...clock }, seed), seed ?? 'any');
    forgetOldKeys(world, true);
    const app = Fastify({ forceCloseConnections: true, routerOptions: { maxParamLength: 300 } });
    app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => {
      done(null, body);
    });
    const standIn = new StripeStandIn(world, app, seed ?? 'any', snapshotFile);
    await app.listen({ host: '127.0.0.1', port: options.port ?? 0 });
    world.url = standIn.url;
    if ((options.signaturesAt ?? (world.clock.isHeld ? 'clock' : 'real')) === 'real') world.signedAt = () => Date.now();
    if (webhook !== undefined) standIn.sendEventsTo(webhook.url, webhook.secret);
    if (!world.clock.isHeld) {
      standIn.timer = setInterval(() => standIn.runner.catchUp(), LOOK_EVERY_MS);
      standIn.timer.unref();
    }
    standIn.afterwards();
    return standIn;
  }

  get host(): string {
    return '127.0.0.1';
  }

  get port(): number {
    return (this.app.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://${this.host}:${this.port}`;
  }

  /** Milliseconds since 1970. `advance` does everything that falls due on the way, in order, and waits for it. */
  readonly clock = {
    now: (): number => this.world.clock.now(),
    advance: (ms: number): Promise<void> => this.runner.advance(ms),
  };

  /** What goes wrong with API calls. */
  get faults(): Faults {
    return this.faultsOfApi;
  }

  /** What goes wrong with webhooks. */
  setWebhooks(switches: Partial<WebhookSwitches>): void {
    Object.assign(this.world.webhooks, switches);
  }

  /** Searches find an object only this long after it was made. */
  setSearchLag(ms: number): void {
    this.world.searchLagMs = ms;
  }

  /** Balance transactions of card payments are written this long after the payment, as the real API may do. */
  setPostingLag(ms: number): void {
    this.world.postingLagMs = ms;
  }

  /** Every event from now on, signed with this secret. The same address twice is one endpoint. */
  sendEventsTo(url: string, secret: string): void {
    const { webhookEndpoints, endpointSecrets } = this.world.state;
    const known = Object.values(webhookEndpoints).find((endpoint) => endpoint.url === url);
    const endpoint = known ?? addEndpoint(this.world, url, secret, ['*']);
    endpointSecrets[endpoint.id] = secret;
  }

  books(): Books {
    return booksOf(this.world);
  }

  /** How often something was really paid: the captured charges of payments with this metadata. */
  successesFor(key: string, value: string): Stripe.Charge[] {
    return successesFor(this.world, key, value);
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.runner.stop();
    await this.app.close();
    this.save();
  }

  private afterwards(): void {
    this.save();
    this.runner.catchUp();
  }

  private save(): void {
    if (!this.world.changed) return;
    this.world.changed = false;
    if (this.snapshotFile !== undefined) writeSnapshot(this.snapshotFile, this.world.state);
  }
}
