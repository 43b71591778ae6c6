import { erc20Asset } from '@core/money';
import type { PaymentAsset } from '@core/payments';
import { type Hex, nameV1OfNetwork, networkOfChain } from '@core/x402';
import { getAddress } from 'viem';
import { JsonRpc, RpcRefusal } from './json-rpc.js';
import { hex, readAnswer } from './rpc-shapes.js';
import { DECIMALS, DOMAIN_SEPARATOR } from './token-calls.js';
import { TypedData } from './typed-data.js';

interface KnownUsdc {
  readonly address: Hex;
  readonly name: string;
}

/** Circle's own USDC by chain id, with the name its signatures are made for. The version is 2 everywhere. */
const USDC: Readonly<Record<number, KnownUsdc>> = {
  1: { address: '0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48', name: 'USD Coin' },
  137: { address: '0x3c499c542cef5e3811e1192ce70d8cc03d5c3359', name: 'USD Coin' },
  8453: { address: '0x833589fcd6edb6e08f4c7c32d4f71b54bda02913', name: 'USD Coin' },
  42161: { address: '0xaf88d065e77c8cc2239327c5edb3a432268e5831', name: 'USD Coin' },
  43114: { address: '0xb97ef9ef8734c71904d8002f8b6bc66dd9c48a6e', name: 'USD Coin' },
  84532: { address: '0x036cbd53842c5426634e7929541ec2318f3dcf7e', name: 'USDC' },
};

const VERSION = '2';
const DECIMAL_PLACES = 6;

export interface UsdcRegistrySettings {
  readonly rpcUrl: string;
  readonly chainId: number;
  /** The contract where none is known for the chain, or instead of the known one. */
  readonly usdcAddress?: string | undefined;
}

/** Whether the token may be paid with, and if not, why. */
export type TokenStanding = { readonly on: true } | { readonly on: false; readonly reason: string };

/** The USDC of one chain. It is on only after the chain has shown the domain and the decimals that we would sign and charge by. */
export class UsdcRegistry {
  readonly #rpc: JsonRpc;
  #standing: TokenStanding = { on: false, reason: 'not checked against the chain yet' };

  private constructor(
    rpcUrl: string,
    private readonly typedData: TypedData,
    readonly token: PaymentAsset,
  ) {
    this.#rpc = new JsonRpc(rpcUrl);
  }

  /** @throws Error when the chain has no USDC that is known and none is named. */
  static async create({ rpcUrl, chainId, usdcAddress }: UsdcRegistrySettings): Promise<UsdcRegistry> {
    const known = USDC[chainId];
    const address = usdcAddress === undefined ? known?.address : hex.parse(usdcAddress);
    if (!address) throw new Error(`USDC_ADDRESS: must be set, as no USDC is known on chain ${chainId}`);
    const network = networkOfChain(chainId);
    const networkV1 = nameV1OfNetwork(network);
    const token: PaymentAsset = {
      id: erc20Asset(chainId, address),
      network,
      ...(networkV1 === undefined ? {} : { networkV1 }),
      domain: { chainId, address, name: known?.name ?? 'USD Coin', version: VERSION },
      displayAddress: getAddress(address),
      symbol: 'USDC',
      decimals: DECIMAL_PLACES,
    };
    return new UsdcRegistry(rpcUrl, await TypedData.create(), token);
  }

  get standing(): TokenStanding {
    return this.#standing;
  }

  /** The tokens that can be paid with now. */
  payable(): readonly PaymentAsset[] {
    return this.#standing.on ? [this.token] : [];
  }

  /**
   * Asks the chain: at start, and then every hour. A token that shows another domain or other decimals goes off.
   * @throws Fault unavailable when the chain cannot be asked; the standing stays as it was
   */
  async check(): Promise<TokenStanding> {
    const { domain, decimals } = this.token;
    const ask = (data: string) => ({
      method: 'eth_call',
      params: [{ to: domain.address, data: `0x${data}` }, 'latest'],
    });
    const [chain, separator, places] = await this.#rpc.all([
      { method: 'eth_chainId', params: [] },
      ask(DOMAIN_SEPARATOR),
      ask(DECIMALS),
    ]);
    const expected = `0x${Buffer.from(this.typedData.domainSeparator(domain)).toString('hex')}`;
    const off = (reason: string): TokenStanding => ({ on: false, reason });
    if (BigInt(readAnswer(hex, chain)) !== BigInt(domain.chainId)) this.#standing = off('the node is on another chain');
    else if (separator instanceof RpcRefusal || places instanceof RpcRefusal)
      this.#standing = off('the contract is not USDC');
    else if (readAnswer(hex, separator) !== expected)
      this.#standing = off('the token signs for another domain than we know');
    else if (BigInt(readAnswer(hex, places)) !== BigInt(decimals)) this.#standing = off('the token has other decimals');
    else this.#standing = { on: true };
    return this.#standing;
  }
}
