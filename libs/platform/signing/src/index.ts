export { Ed25519Keys, type PublishedKey } from './ed25519-keys.js';
export { checkSignature } from './check-signature.js';
