/** One JSON-RPC call to a chain; throws the node's message. */
export function rpc(url: string, method: string, ...params: unknown[]): Promise<unknown>;

/** Several calls in one request, which the node may carry out in any order: `[method, ...params]` each. */
export function rpcAll(
  url: string,
  requests: readonly (readonly [method: string, ...params: unknown[]])[],
): Promise<unknown[]>;
