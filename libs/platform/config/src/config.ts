import { z } from 'zod';

/** When a block counts as final: the chain's own `finalized` tag, or so many blocks on top of it. */
export type Finality = 'finalized' | number;

const url = (protocols: readonly string[]) =>
  z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), {
    message: `must be a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
  });

const postgres = url(['postgres:', 'postgresql:']);
const port = z.coerce.number().int().min(0).max(65_535);
const wholeNumber = (least: number, most: number) => z.coerce.number().int().min(least).max(most);
const secret = z.string().min(32, 'must be at least 32 characters of random text');
const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'must be a 0x-prefixed address of 20 bytes');
const atomic = z.string().regex(/^(0|[1-9]\d{0,77})$/, 'must be a whole number of atomic units');
const addresses = z
  .string()
  .transform((text) => text.split(',').map((each) => each.trim().toLowerCase()))
  .pipe(
    z
      .array(z.string().regex(/^0x[0-9a-f]{40}$/, 'must be 0x-prefixed addresses of 20 bytes, separated by commas'))
      .min(1),
  );
const privateKeys = z
  .string()
  .transform((text) => text.split(',').map((key) => key.trim()))
  .pipe(
    z
      .array(
        z.string().regex(/^0x[0-9a-fA-F]{64}$/, 'must be 0x-prefixed private keys of 32 bytes, separated by commas'),
      )
      .min(1),
  );

const signingKeys = z
  .string()
  .transform((text) => text.split(',').map((key) => key.trim()))
  .pipe(
    z
      .array(z.string().regex(/^[0-9a-fA-F]{64}$/, 'must be Ed25519 keys of 64 hex digits each, separated by commas'))
      .min(1),
  );

/** Every variable a process of Farebox reads, with its check and its default. `.env.example` lists the same. */
const environment = z.object({
  NODE_ENV: z.enum(['production', 'development', 'test']).default('development'),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),

  DATABASE_URL: postgres,
  DATABASE_WRITER_URL: postgres,
  DATABASE_AUDIT_URL: postgres.optional(),
  DATABASE_POOL: wholeNumber(2, 200).default(10),

  REDIS_URL: url(['redis:', 'rediss:']).optional(),
  QUEUE_DATABASE_URL: postgres.optional(),

  API_HOST: z.string().default('0.0.0.0'),
  API_PORT: port.default(3000),
  TRUSTED_PROXIES: wholeNumber(0, 10).default(0),
  WORKER_PORT: port.default(3001),
  PUBLIC_URL: url(['http:', 'https:']),

  KEY_PEPPER: secret,
  QUOTE_SECRET: secret,
  QUOTE_SECONDS: wholeNumber(30, 3600).default(300),
  SIGNING_KEYS: signingKeys.optional(),

  CHAIN_RPC_URL: url(['http:', 'https:']),
  CHAIN_ID: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  CHAIN_FINALITY: z.union([z.literal('finalized'), wholeNumber(1, 10_000)]).default('finalized'),
  CHAIN_POLL_MS: wholeNumber(50, 60_000).default(1000),
  CHAIN_STALE_SECONDS: wholeNumber(5, 3600).default(30),
  USDC_ADDRESS: address.optional(),
  MULTICALL_ADDRESS: address.default('0xcA11bde05977b3631167028862bE2a173976CA11'),
  RELAYER_KEYS: privateKeys.optional(),
  SETTLE_WINDOW_MS: wholeNumber(0, 60_000).default(50),
  SETTLE_BATCH: wholeNumber(1, 300).default(100),
  REPLACE_AFTER_SECONDS: wholeNumber(2, 3600).default(30),
  MAX_FEE_PER_GAS_GWEI: wholeNumber(1, 100_000).default(50),
  RELEASE_WAIT_MS: wholeNumber(0, 120_000).default(8_000),
  EXPOSURE_CAP: atomic.optional(),
  UPTO_FACILITATORS: addresses.optional(),

  CHANNEL_AUTHORIZER_KEY: z
    .string()
    .regex(/^0x[0-9a-fA-F]{64}$/, 'must be a 0x-prefixed private key of 32 bytes')
    .optional(),
  CHANNEL_WITHDRAW_DELAY: wholeNumber(900, 2_592_000).default(86_400),
  CLAIM_MIN: atomic.default('1000000'),
  CLAIM_AFTER_SECONDS: wholeNumber(1, 604_800).default(3_600),

  STRIPE_SECRET_KEY: z.string().min(1).optional(),
  STRIPE_API_URL: url(['http:', 'https:']).optional(),
  STRIPE_WEBHOOK_SECRET: z.string().min(1).optional(),

  WEBHOOK_SECRET_KEY: secret.optional(),
  WEBHOOK_LOOPBACK: z
    .enum(['true', 'false'])
    .default('false')
    .transform((text) => text === 'true'),

  RATE_AFTER_MS: wholeNumber(0, 3_600_000).default(10_000),

  CRASH_AT: z.string().optional(),
});

export type Config = Readonly<z.infer<typeof environment>>;

/**
 * Reads the environment once, at start. An empty variable counts as absent. All faulty ones are named together, with what
 * they must be; their values are never printed.
 * @throws Error that names them
 */
export function readConfig(variables: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(
    Object.entries(variables).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = environment.safeParse(given, { reportInput: false });
  const problems = parsed.success
    ? []
    : parsed.error.issues.map((issue) => `  ${issue.path[0]?.toString() ?? '?'}: ${issueText(issue)}`);
  const config = parsed.data;
  if (!given['REDIS_URL'] && !given['QUEUE_DATABASE_URL']) {
    problems.push('  REDIS_URL: must be set (or QUEUE_DATABASE_URL, to keep the queues in PostgreSQL)');
  }
  if (config?.NODE_ENV === 'production' && config.CRASH_AT)
    problems.push('  CRASH_AT: is for fault tests and refused in production');
  if (config?.NODE_ENV === 'production' && config.WEBHOOK_LOOPBACK)
    problems.push('  WEBHOOK_LOOPBACK: is for one machine alone and refused in production');
  if (problems.length > 0 || !config) {
    throw new Error(
      `These environment variables need mending (see .env.example):\n${[...new Set(problems)].join('\n')}`,
    );
  }
  return config;
}

function issueText(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return 'must be set';
  if (issue.code === 'invalid_union') return 'must be "finalized" or a number of blocks';
  return issue.message;
}
