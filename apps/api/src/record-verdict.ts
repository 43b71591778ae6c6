import { createHash } from 'node:crypto';
import {
  type ChargeCheck,
  checkCharge,
  exactBindingText,
  readUsageRecord,
  requestText,
  type UsageRecord,
} from '@core/records';
import { checkSignature } from '@platform/signing';
import type { JSONWebKeySet } from 'jose';

/** The request somebody says they paid for. */
export interface ClaimedRequest {
  readonly method: string;
  readonly url: string;
  /** The bytes of its body, if it had one. */
  readonly body?: Buffer | undefined;
}

/** What checking a record showed: in full sentences, and whether all of it holds. */
interface RecordVerdict {
  readonly holds: boolean;
  readonly lines: readonly string[];
}

/** Checks a signed usage record by published keys and by its own figures. Needs no network. */
export async function judgeRecord(jws: string, keys: JSONWebKeySet, claimed?: ClaimedRequest): Promise<RecordVerdict> {
  const signature = await checkSignature(jws, keys);
  if (!signature.ok) return { holds: false, lines: [`FALSE  The signature does not hold: ${signature.message}.`] };
  const read = readUsageRecord(signature.document);
  if (!read.ok) return { holds: false, lines: [`FALSE  It is signed, but no usage record: ${read.message}.`] };
  const { record } = read;
  const charge = checkCharge(record);
  const verdicts: Verdict[] = [
    ['proven', `Signed by ${signature.keyId}, and not a byte was changed since.`],
    ['says', `Payment ${record.payment} of ${record.payer} to provider ${record.provider}, by way of ${record.way}.`],
    ...usageSaid(record),
    chargeProven(record, charge),
    ...(claimed ? [requestProven(record, charge, claimed)] : []),
    ['says', settlementSaid(record)],
    ['says', `Ledger entries: ${record.ledger.entries.join(', ') || 'none yet'}.`],
  ];
  return {
    holds: verdicts.every(([kind]) => kind !== 'FALSE'),
    lines: verdicts.map(([kind, text]) => `${kind.padEnd(6)} ${text}`),
  };
}

/** proven: computed here · says: the signer's word · FALSE: computed here, and not so. */
type Verdict = readonly ['proven' | 'says' | 'FALSE', string];

const usageSaid = ({ usage, price }: UsageRecord): Verdict[] =>
  usage
    ? [
        [
          'says',
          `It bought ${usage.quantity} ${usage.unit} of ${usage.meter}${price ? ` at price ${price.version}` : ''}.`,
        ],
      ]
    : [];

function chargeProven({ charged, quote, usage, price }: UsageRecord, check: ChargeCheck): Verdict {
  const paid = `${charged ?? '0'} atomic units of ${price?.asset ?? quote.asset}`;
  switch (check.outcome) {
    case 'equal':
      return [
        'proven',
        `${price?.model ?? ''} price × ${usage?.quantity ?? ''} = ${paid}, within the ceiling of ${quote.ceiling}.`,
      ];
    case 'paid_for_more':
      return [
        'proven',
        `Charged ${paid}: all that was signed for. What was measured would have cost ${check.computed}; a signed transfer moves its whole amount.`,
      ];
    case 'differs':
      return ['FALSE', `Charged ${paid}, but the price of this quantity is ${check.computed}.`];
    case 'above_ceiling':
      return ['FALSE', `Charged ${paid}, which is more than the ceiling of ${quote.ceiling}.`];
    case 'not_computable':
      return ['says', `Charged ${paid}; this cannot be computed again: ${check.why}.`];
  }
}

function requestProven(record: UsageRecord, charge: ChargeCheck, { method, url, body }: ClaimedRequest): Verdict {
  const { usage, quote, provider, way } = record;
  if (way !== 'exact' || !usage || quote.payTo === undefined)
    return ['says', 'What was asked for can be proven of payments by exact through the gate only.'];
  if (charge.outcome === 'paid_for_more')
    return [
      'says',
      'What was asked for cannot be proven: it was more than what was measured, and how much is not in the record.',
    ];
  const request = sha256(
    requestText({
      method,
      url: new URL(url).href,
      bodyDigest: body === undefined ? '' : sha256(body).toString('hex'),
      meter: usage.meter,
      quantity: usage.quantity,
    }),
  ).toString('base64url');
  const { network, asset, payTo, ceiling } = quote;
  const digest = sha256(exactBindingText({ provider, request, network, asset, payTo, amount: ceiling })).toString(
    'hex',
  );
  return digest === quote.digest
    ? ['proven', `It was paid for ${method} ${url} and this body, and for nothing else.`]
    : ['FALSE', `It was not paid for ${method} ${url} with this body and quantity.`];
}

const SETTLEMENTS: Readonly<Record<UsageRecord['settlement']['status'], string>> = {
  reserved: 'Not served when this was signed; nothing was charged.',
  served: 'Served; its settlement had not begun when this was signed.',
  submitted: 'Its settlement was on its way when this was signed.',
  confirmed: 'Settled in a block that could still be undone when this was signed.',
  final: 'Settled for good.',
  voided: 'Let go: it was never charged and never will be.',
  failed: 'Proven not to have been paid.',
};

const settlementSaid = ({ settlement: { status, transaction }, quote: { network } }: UsageRecord): string =>
  `${SETTLEMENTS[status]}${transaction === undefined ? '' : ` Transfer ${transaction} on ${network}.`}`;

const sha256 = (content: string | Buffer): Buffer => createHash('sha256').update(content).digest();
