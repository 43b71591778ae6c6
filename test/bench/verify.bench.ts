import {
  decodePaymentHeader,
  encodePaymentPayload,
  exactAuthorizationOf,
  matchesRequirements,
  type PaymentRequirements,
  type TokenDomain,
} from '@core/x402';
import { Eip3009Verifier } from '@platform/chain';
import { keccak256, recoverTypedDataAddress, toHex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { compare, perCpuSecond, report, short } from './support/report.js';
import { TRANSFER_TYPES } from '../support/transfer-types.js';

const token: TokenDomain = {
  chainId: 84532,
  address: '0x036CbD53842c5426634e7929541eC2318f3dCF7e',
  name: 'USDC',
  version: '2',
};
const offer: PaymentRequirements = {
  scheme: 'exact',
  network: 'eip155:84532',
  amount: '10000',
  asset: token.address,
  payTo: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
  maxTimeoutSeconds: 300,
  extra: { name: 'USDC', version: '2' },
};
async function makePayment(index: number) {
  const account = privateKeyToAccount(keccak256(toHex(`payer ${index}`)));
  const message = {
    from: account.address,
    to: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
    value: 10000n,
    validAfter: 0n,
    validBefore: 2_000_000_000n,
    nonce: keccak256(toHex(`nonce ${index}`)),
  } as const;
  const domain = { name: token.name, version: token.version, chainId: token.chainId, verifyingContract: token.address };
  const typedData = { domain, types: TRANSFER_TYPES, primaryType: 'TransferWithAuthorization', message } as const;
  const signature = await account.signTypedData(typedData);
  const header = encodePaymentPayload({
    x402Version: 2,
    resource: { url: 'https://api.example.com/v1/compute', mimeType: 'application/json' },
    accepted: offer,
    payload: {
      signature,
      authorization: { ...message, value: '10000', validAfter: '0', validBefore: '2000000000' },
    },
  });
  return { header, typedData, signature, payer: account.address };
}

const payments = await Promise.all(Array.from({ length: 64 }, (_, index) => makePayment(index)));
const at = (index: number) => {
  const payment = payments[index % payments.length];
  if (!payment) throw new Error('there are no payments');
  return payment;
};
const verifier = await Eip3009Verifier.create();

/** Everything the gate does with a header before it asks the database. Returns the payer, or throws. */
function ours(header: string): string {
  const read = decodePaymentHeader(header);
  if (!read.ok) throw new Error(read.message);
  if (!matchesRequirements(offer, read.payload.accepted)) throw new Error('the offer was not accepted');
  const exact = exactAuthorizationOf(read.payload);
  if (!exact.ok) throw new Error(exact.message);
  const verdict = verifier.verify(token, exact.authorization);
  if (!verdict.valid) throw new Error(verdict.reason);
  return exact.authorization.from;
}

async function theirs(index: number): Promise<string> {
  const { typedData, signature } = at(index);
  return recoverTypedDataAddress({ ...typedData, signature });
}

for (const [index, { header, payer }] of payments.entries()) {
  const recovered = await theirs(index);
  if (recovered !== payer || ours(header) !== payer.toLowerCase())
    throw new Error('the two sides disagree on the payer');
}

const oursCount = short ? 2_000 : 15_000;
const theirsCount = short ? 100 : 600;
await perCpuSecond(oursCount, (index) => ours(at(index).header));

report('verify', [
  await compare({
    path: 'verify one payment header: decode, check, digest, recover',
    unit: 'headers per CPU-second',
    referenceName: 'viem recoverTypedDataAddress (signature alone)',
    target: 25,
    rounds: short ? 3 : 9,
    ours: () => perCpuSecond(oursCount, (index) => ours(at(index).header)),
    reference: () => perCpuSecond(theirsCount, theirs),
  }),
]);
