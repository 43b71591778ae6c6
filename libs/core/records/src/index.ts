export { type Json, canonicalJson, jsonOf } from './canonical-json.js';
export { exactBindingText, requestText } from './binding-text.js';
export { DocumentSigner } from './document-signer.js';
export { RECORD_TYPE, type UsageRecord, readUsageRecord } from './usage-record.js';
export { type ChargeCheck, checkCharge } from './check-charge.js';
