import type { Json } from './canonical-json.js';

/** Signs documents that others keep: offers, receipts, usage records. */
export abstract class DocumentSigner {
  /** Names the key for whoever checks: a DID URL. */
  abstract readonly keyId: string;
  /**
   * A compact JWS over the document's canonical JSON. The same document gives the same text while the key is the same.
   * @param type media type without `application/`; absent: none is named
   */
  abstract sign(document: Json, type?: string): string;
}
