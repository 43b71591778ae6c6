export interface CompiledContract {
  readonly abi: readonly unknown[];
  /** As it lies on a chain: there is no constructor to run. */
  readonly code: `0x${string}`;
}

/** Our Solidity contracts by name; compiles them when a source or the compiler changed. Needs no network. */
export function compiledContracts(): Promise<Readonly<Record<string, CompiledContract>>>;
