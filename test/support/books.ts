import { VerifyBooks } from '@features/finance';
import { UsdcRail } from '@platform/chain';
import type { Config } from '@platform/config';
import { Auditor } from '@platform/database';
import type { SettlementRail } from '@core/settlement';

/** The rail of a configuration, for looking only. */
export const railOf = (config: Config): SettlementRail =>
  new UsdcRail({
    rpcUrl: config.CHAIN_RPC_URL,
    chainId: config.CHAIN_ID,
    multicall: config.MULTICALL_ADDRESS,
    relayerKeys: [],
    finality: config.CHAIN_FINALITY,
  });

/** Runs what `npm run verify` runs. */
export async function verifyBooks(
  auditUrl: string,
  rail: SettlementRail,
): Promise<Awaited<ReturnType<VerifyBooks['run']>>> {
  const auditor = new Auditor(auditUrl);
  try {
    return await new VerifyBooks(auditor, [rail]).run();
  } finally {
    await auditor.close();
  }
}
