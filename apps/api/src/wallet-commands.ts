import { IdSource } from '@core/ids';
import { Clock } from '@core/time';
import {
  AutoTopUps,
  IssueGrant,
  ListGrants,
  ReadCredit,
  ReadWallet,
  RefundGrant,
  RemoveLimit,
  ReverseCapture,
  SetCredit,
  SetLimit,
  VoidGrant,
  WalletAlerts,
} from '@features/wallet';
import type { Provider } from '@nestjs/common';
import { Database } from '@platform/database';
import { built } from './built.js';

/** What changes a wallet goes by the database's time, which all processes share; what only shows one, by this process's. */
export const walletCommands = (): Provider[] => [
  built(IssueGrant, Database, IdSource),
  built(VoidGrant, Database, IdSource),
  built(RefundGrant, Database, IdSource),
  built(ReverseCapture, Database, IdSource),
  built(SetLimit, Database, IdSource),
  built(RemoveLimit, Database),
  built(ListGrants, Database),
  built(ReadWallet, Database, Clock),
  built(AutoTopUps, Database),
  built(SetCredit, Database),
  built(ReadCredit, Database),
  built(WalletAlerts, Database),
];
