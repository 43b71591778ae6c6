export { Fault, FAULT_STATUS, type FaultCode, type FaultOptions } from './fault.js';
export { problemOf, type Problem } from './problem.js';
