import type { SettlementResponse, SupportedResponse, VerifyResponse } from '@core/x402';
import type { FacilitatedScheme } from './facilitated-scheme.js';

/** The schemes served at the facilitator's door, by their names and, where they are for one network that is no chain, by that. */
export class FacilitatedSchemes {
  readonly #byName: ReadonlyMap<string, FacilitatedScheme>;

  /** @param first reads bodies that name no scheme we know too, and says what is wrong with them */
  constructor(
    private readonly first: FacilitatedScheme,
    ...others: readonly FacilitatedScheme[]
  ) {
    this.#byName = new Map([first, ...others].map((each) => [nameOf(each.scheme, each.network), each]));
  }

  of(body: unknown): FacilitatedScheme {
    const required = fieldOf(body, 'paymentRequirements');
    const [scheme, network] = [fieldOf(required, 'scheme'), fieldOf(required, 'network')];
    if (typeof scheme !== 'string') return this.first;
    const exactly = typeof network === 'string' ? this.#byName.get(nameOf(scheme, network)) : undefined;
    return exactly ?? this.#byName.get(nameOf(scheme)) ?? this.first;
  }

  all(): readonly FacilitatedScheme[] {
    return [...this.#byName.values()];
  }
}

const nameOf = (scheme: string, network?: string): string => (network === undefined ? scheme : `${scheme} ${network}`);

const fieldOf = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;

/**
 * `POST /x402/verify`: would settle take this payment? Writes nothing, claims nothing. `provider`: who asks, if a key says so; only
 * payments to its wallet are taken then.
 */
export class VerifyFacilitated {
  constructor(private readonly schemes: FacilitatedSchemes) {}

  /** @throws Fault unavailable when the chain or the database cannot be read: never "invalid" for want of an answer. */
  run(body: unknown, provider?: string): Promise<VerifyResponse> {
    return this.schemes.of(body).verify(body, provider);
  }
}

/** `POST /x402/settle`: has it on the chain once, and answers when the chain has it, or says it is pending. */
export class SettleFacilitated {
  constructor(private readonly schemes: FacilitatedSchemes) {}

  /** @throws Fault unavailable when the chain or the database cannot be read. */
  run(body: unknown, provider?: string): Promise<SettlementResponse> {
    return this.schemes.of(body).settle(body, provider);
  }
}

/** `GET /x402/supported`: schemes, networks and the addresses that settle. */
export class ListSupported {
  constructor(private readonly schemes: FacilitatedSchemes) {}

  async run(): Promise<SupportedResponse> {
    const supported = await Promise.all(this.schemes.all().map((scheme) => scheme.supported()));
    return {
      kinds: supported.flatMap(({ kinds }) => kinds),
      extensions: [],
      signers: { 'eip155:*': [...new Set(supported.flatMap(({ signers }) => signers))] },
    };
  }
}
