export { isPublicAddress } from './address.js';
export { targetOf } from './target.js';
export { Outbound } from './outbound.js';
export { WebKeyDirectory, believedMs } from './web-key-directory.js';
export { OutboundPost } from './outbound-post.js';
