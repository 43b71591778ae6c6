export { SystemClock } from './system-clock.js';
export { SystemIds } from './system-ids.js';
export { CrashPoints } from './crash-points.js';
