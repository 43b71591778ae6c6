import { compactVerify, createLocalJWKSet, decodeProtectedHeader, errors, type JSONWebKeySet } from 'jose';

type SignatureCheck =
  | { readonly ok: true; readonly keyId: string; readonly type: string | undefined; readonly document: unknown }
  | { readonly ok: false; readonly message: string };

/**
 * Checks a compact JWS against published keys: EdDSA, by a key of the set that the signature names. The document is what was
 * signed, read as JSON.
 */
export async function checkSignature(jws: string, keys: JSONWebKeySet): Promise<SignatureCheck> {
  try {
    const { kid } = decodeProtectedHeader(jws);
    if (kid === undefined) return { ok: false, message: 'the signature names no key' };
    const { payload, protectedHeader } = await compactVerify(jws, createLocalJWKSet(keys), { algorithms: ['EdDSA'] });
    const document: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
    return { ok: true, keyId: kid, type: protectedHeader.typ, document };
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey)
      return { ok: false, message: 'the key it names is not among the published ones' };
    if (error instanceof errors.JWSSignatureVerificationFailed)
      return { ok: false, message: 'the signature is not of this text by the key it names' };
    return { ok: false, message: error instanceof Error ? error.message : 'it cannot be read' };
  }
}
