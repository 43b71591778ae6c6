export { Eip3009Verifier } from './verify-authorization.js';
export { TypedData } from './typed-data.js';
export { UsdcRail, type UsdcRailSettings } from './usdc-rail.js';
export { UsdcReader, type UsdcReaderSettings } from './usdc-reader.js';
export { UsdcRegistry, type UsdcRegistrySettings, type TokenStanding } from './usdc-registry.js';
