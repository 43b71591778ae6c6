export { Eip3009Verifier } from './verify-authorization.js';
export { TypedData } from './typed-data.js';
