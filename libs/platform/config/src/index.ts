export { type Config, type Finality, readConfig } from './config.js';
