export { Fault, FAULT_STATUS, type FaultCode, type FaultOptions } from './fault.js';
