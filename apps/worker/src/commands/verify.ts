import { env } from 'node:process';
import { VerifyBooks } from '@features/finance';
import { UsdcRail } from '@platform/chain';
import { readConfig } from '@platform/config';
import { Auditor } from '@platform/database';

/**
 * `npm run verify`: re-proves the invariants of ledger, claims and nonces on live data and prints what it looked at.
 * Exits 1 when something does not hold, 2 when it could not look.
 */
async function verify(): Promise<number> {
  const config = readConfig(env);
  if (!config.DATABASE_AUDIT_URL) throw new Error('DATABASE_AUDIT_URL: must be set, with the role farebox_auditor');
  const auditor = new Auditor(config.DATABASE_AUDIT_URL);
  try {
    const rail = new UsdcRail({
      rpcUrl: config.CHAIN_RPC_URL,
      chainId: config.CHAIN_ID,
      multicall: config.MULTICALL_ADDRESS,
      relayerKeys: config.RELAYER_KEYS ?? [],
      finality: config.CHAIN_FINALITY,
    });
    const findings = await new VerifyBooks(auditor, [rail]).run();
    for (const { invariant, says, counted, faults } of findings) {
      process.stdout.write(
        `${faults.length === 0 ? 'ok    ' : 'BROKEN'} ${invariant}  ${says} (${counted} looked at)\n`,
      );
      for (const fault of faults) process.stdout.write(`         ${fault}\n`);
    }
    const broken = findings.filter(({ faults }) => faults.length > 0).length;
    process.stdout.write(
      broken === 0 ? `All ${findings.length} checks hold.\n` : `${broken} of ${findings.length} checks do not hold.\n`,
    );
    return broken === 0 ? 0 : 1;
  } finally {
    await auditor.close();
  }
}

verify().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 2;
  },
);
