import { decodePaymentHeader, encodePaymentPayload, exactAuthorizationOf, matchesRequirements } from '@core/x402';
import { Eip3009Verifier, TypedData } from '@platform/chain';
import { perCpuSecond } from './support/report.js';
import secp256k1 from 'secp256k1';
const token = { chainId: 84532, address: '0x036CbD53842c5426634e7929541eC2318f3dCF7e', name: 'USDC', version: '2' } as const;
const offer = { scheme: 'exact', network: 'eip155:84532', amount: '10000', asset: token.address, payTo: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8', maxTimeoutSeconds: 300, extra: { name: 'USDC', version: '2' } };
const header = encodePaymentPayload({ x402Version: 2, resource: { url: 'https://api.example.com/v1/compute', mimeType: 'application/json' }, accepted: offer, payload: { signature: '0xd6f621c8795d5a591106925400f9e441cd7b3237689fa98325e2a246548254895f4ae3e2a584ec5139873aaed8433bae4fd80ced953eb81b087707c10464189a1c', authorization: { from: '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266', to: offer.payTo, value: '10000', validAfter: '0', validBefore: '2000000000', nonce: '0x' + '11'.repeat(32) } } });
const v = await Eip3009Verifier.create(); const td = await TypedData.create();
const p = decodePaymentHeader(header); if (!p.ok) throw new Error(p.message);
console.log(p.payload, Object.keys(p.payload));
const a = exactAuthorizationOf(p.payload); if (!a.ok) throw new Error(a.message);
const d = td.transferWithAuthorizationDigest(token, a.authorization);
const sig = Buffer.from(a.authorization.signature.slice(2), 'hex').subarray(0, 64); const out = Buffer.alloc(65);
const bytes = Buffer.from(header, 'base64'); const json = bytes.toString();
for (const [n, f] of Object.entries({
  b64: () => Buffer.from(header, 'base64').toString('base64') === header,
  jsonparse: () => JSON.parse(json),
  decode: () => decodePaymentHeader(header), exact: () => exactAuthorizationOf(p.payload), match: () => matchesRequirements(offer, p.payload.accepted),
  digest: () => td.transferWithAuthorizationDigest(token, a.authorization), verify: () => v.verify(token, a.authorization),
  recover: () => secp256k1.ecdsaRecover(sig, 1, d, false, out),
})) { await perCpuSecond(20000, f); console.log(n, (1e6 / await perCpuSecond(20000, f)).toFixed(2), 'us'); }
