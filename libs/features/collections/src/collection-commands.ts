import type { BillingRail, CollectionCrashPoint, DunningSchedule } from '@core/collections';
import type { IdSource } from '@core/ids';
import type { Ledger } from '@features/ledger';
import { StatementStates } from '@features/statements';
import { Announce } from '@features/webhooks';
import type { Database, Writer } from '@platform/database';
import { ApplyVerdict } from './apply-verdict.js';
import { AttemptsStore } from './attempts/attempts.store.js';
import { CollectDue } from './collect-due.js';
import { CollectNow } from './collect-now.js';
import { CollectionReversals } from './collection-reversals.js';
import type { CollectionsReader } from './collections.reader.js';
import { CollectionsStore } from './collections.store.js';
import { ConfirmAttempt } from './confirm-attempt.js';
import { FailAttempt } from './fail-attempt.js';
import { MarkPastDue } from './mark-past-due.js';
import type { PaymentMethods } from './methods/payment-methods.js';
import { OpenCollections } from './open-collections.js';
import { PastDueAccounts } from './past-due-accounts.js';
import { StartAttempt } from './start-attempt.js';
import { WorkOnCollection } from './work-on-collection.js';

interface Collecting {
  readonly writer: Writer;
  readonly database: Database;
  readonly rail: BillingRail;
  readonly methods: PaymentMethods;
  readonly ledger: Ledger;
  readonly ids: IdSource;
  readonly crash: CollectionCrashPoint;
  readonly schedule: DunningSchedule;
}

export interface CollectionCommands {
  readonly open: OpenCollections;
  readonly collect: CollectDue;
  readonly confirm: ConfirmAttempt;
  readonly markPastDue: MarkPastDue;
  readonly reversals: CollectionReversals;
  readonly pastDue: PastDueAccounts;
}

/** The commands of collecting, made together: they share the stores and the rail. */
export function collectionCommands(parts: Collecting): CollectionCommands {
  const { writer, database, rail, methods, ledger, ids, crash } = parts;
  const collections = new CollectionsStore();
  const attempts = new AttemptsStore();
  const statements = new StatementStates(ids);
  const announce = new Announce(ids);
  const pastDue = new PastDueAccounts(statements, announce);
  const failing = new FailAttempt(collections, statements, ledger, announce, pastDue, parts.schedule);
  const start = new StartAttempt(database, collections, attempts, statements, methods, failing, rail, ids);
  const apply = new ApplyVerdict(
    writer,
    database,
    collections,
    attempts,
    statements,
    methods,
    ledger,
    announce,
    pastDue,
    failing,
    start,
  );
  const work = new WorkOnCollection(writer, database, collections, attempts, start, apply, rail, crash);
  return {
    open: new OpenCollections(writer, ids),
    collect: new CollectDue(writer, collections, work),
    confirm: new ConfirmAttempt(writer, collections, attempts, work),
    markPastDue: new MarkPastDue(writer, database, pastDue),
    reversals: new CollectionReversals(collections, attempts, statements, ledger, pastDue),
    pastDue,
  };
}

/** What the api needs of it: no rail is asked there. */
export function openCollectNow(database: Database, ids: IdSource, reader: CollectionsReader): CollectNow {
  return new CollectNow(database, new CollectionsStore(), new AttemptsStore(), new StatementStates(ids), reader, ids);
}
