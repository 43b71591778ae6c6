import { UPTO_CONTRACTS, type UptoAuthorization, uptoAuthorizationOf, uptoPayloadOf } from '@core/x402';
import { Permit2UptoVerifier, UptoTypedData } from '@platform/chain';
import { highSignature, shortSignature, zeroBasedSignature } from '../support/signature-forms.js';
import { UptoPayer } from '../support/upto-payer.js';

const KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80';
const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`;

/** The protocol's vector: 10000 of USDC on Base Sepolia. */
const VECTOR: UptoAuthorization = {
  from: '0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266',
  token: '0x036cbd53842c5426634e7929541ec2318f3dcf7e',
  amount: 10_000n,
  spender: UPTO_CONTRACTS.proxy,
  nonce: 7n,
  deadline: 2_000_000_000n,
  to: '0x70997970c51812dc3a010c7d01b50e0d17dc79c8',
  facilitator: '0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc',
  validAfter: 0n,
  signature:
    '0x46ea087cab6e427f7d0c634fab8197c7f2075022d015f30c415e03d2c486ff2409ea3c4aa01e83ee61f1501f58dcf83ae177c9436827c7132e7c778dad1ad3181b',
};

describe('vectors of scheme upto', () => {
  let data: UptoTypedData;
  let verifier: Permit2UptoVerifier;
  beforeAll(async () => {
    data = await UptoTypedData.create(84_532);
    verifier = await Permit2UptoVerifier.create(84_532);
  });

  it('domain, type and digest are the protocol’s', async () => {
    expect(hex(data.separator)).toBe('0x010f27a92fb9a32622f44f001dc4d15706a85b33499cfc2ce9033113ab26592c');
    expect(hex((await UptoTypedData.create(8453)).separator)).toBe(
      '0x3b6f35e4fce979ef8eac3bcdc8c3fc38fe7911bb0c69c8fe72bf1fd1a17e6f07',
    );
    expect(hex(data.permitTypeHash())).toBe('0x51dff6974ad4388c499e7fcfe838d2bd767162553a144098ce20ea661d70c2ee');
    expect(hex(data.digest(VECTOR))).toBe('0xcd8ea7b8b3b6987679bae9ee3fa78c58fedffe32fa7100ec089ac5580ff535a2');
  });

  it('the signature is its signer’s, and another library makes the same one', async () => {
    expect(verifier.signed(VECTOR)).toBe(true);
    expect(await new UptoPayer(KEY).ceiling(VECTOR)).toEqual(VECTOR);
    expect(uptoAuthorizationOf({ payload: uptoPayloadOf(VECTOR) })).toEqual({ ok: true, authorization: VECTOR });
  });

  it.each<[string, Partial<UptoAuthorization>]>([
    ['another owner', { from: VECTOR.to }],
    ['another token', { token: VECTOR.to }],
    ['one unit more', { amount: 10_001n }],
    ['another spender', { spender: VECTOR.to }],
    ['another nonce', { nonce: 8n }],
    ['another deadline', { deadline: 2_000_000_001n }],
    ['another payee', { to: VECTOR.facilitator }],
    ['another facilitator', { facilitator: VECTOR.to }],
    ['another start', { validAfter: 1n }],
    ['the other half of s', { signature: `0x${highSignature(VECTOR.signature).slice(2)}` }],
    ['v from zero', { signature: `0x${zeroBasedSignature(VECTOR.signature).slice(2)}` }],
    ['the short form', { signature: `0x${shortSignature(VECTOR.signature).slice(2)}` }],
    ['no signature', { signature: '0x' }],
  ])('does not take it for %s', (_name, change) => {
    expect(verifier.signed({ ...VECTOR, ...change })).toBe(false);
  });

  it('does not take one for another chain', async () => {
    expect((await Permit2UptoVerifier.create(8453)).signed(VECTOR)).toBe(false);
  });
});
