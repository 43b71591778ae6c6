export { Fault, FAULT_STATUS, type FaultCode } from './fault.js';
export { problemOf, type Problem } from './problem.js';
