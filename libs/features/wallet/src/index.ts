export { Holds } from './holds.js';
export {
  type Budget,
  type CaptureOutcome,
  type ExtendOutcome,
  type HoldToCapture,
  type HoldToExtend,
  type HoldToRelease,
  type HoldToTake,
  type ReleaseOutcome,
  type TakeOutcome,
} from './decide-holds.js';
export { AssignHold, type AssignOutcome, type HoldToAssign } from './assign-hold.js';
export { type StoredHold } from './stored-hold.js';
export { type StoredGrant } from './stored-grant.js';
export { ListGrants } from './list-grants.js';
export { type GrantToIssue, IssueGrant } from './issue-grant.js';
export { VoidGrant } from './void-grant.js';
export { type OwedRefund, RefundGrant } from './refund-grant.js';
export { ExpireGrants } from './expire-grants.js';
export { RenewGrants } from './renew-grants.js';
export { ReverseCapture } from './reverse-capture.js';
export { LimitReader, type LimitToSet, RemoveLimit, SetLimit, type UsedLimit } from './limits.js';
export { type Balance, ReadWallet, type WalletView } from './read-wallet.js';
export { type AutoTopUp, AutoTopUps } from './auto-top-up.js';
export { AnnounceAlerts } from './announce-alerts.js';
export { ALERT_KINDS, type RaisedAlert, WalletAlerts } from './alerts.js';
export { CreditLines, PastDue } from './credit/credit-lines.js';
export { type CreditLine, ReadCredit, SetCredit } from './credit/set-credit.js';
export { BillCredit } from './credit/bill-credit.js';
