import { hash } from 'node:crypto';
import type { Entry, Place, Transfer } from '@core/ledger';
import { type RowColumn, rowColumns } from '@platform/database';

/** Transfers in the form that the database function `post_new_transfers` takes. */
export interface NewTransfers {
  /** Ledger accounts that are not known to exist. */
  readonly places: string;
  readonly transfers: string;
  /** Those ledger accounts: they exist once it is committed. */
  readonly opened: readonly OpenedPlace[];
}

export interface OpenedPlace {
  readonly text: string;
  readonly id: string;
  readonly provider: string;
  readonly place: Place;
}

/** Most ledger accounts remembered. */
const REMEMBERED = 100_000;

interface Row {
  readonly transfer: Transfer;
  readonly debit: string;
  readonly credit: string;
}

const PLACES: readonly RowColumn<OpenedPlace>[] = [
  { kind: 'each', of: ({ id }) => id },
  { kind: 'each', of: ({ provider }) => provider },
  { kind: 'each', of: ({ place }) => place.code },
  { kind: 'each', of: ({ place }) => place.asset },
  { kind: 'optional', of: ({ place }) => place.account },
  { kind: 'optional', free: true, of: ({ place }) => place.detail },
];

const TRANSFERS: readonly RowColumn<Row>[] = [
  { kind: 'shared', of: ({ transfer }) => transfer.provider },
  { kind: 'each', of: ({ transfer }) => transfer.entry },
  { kind: 'each', of: ({ transfer }) => transfer.key.slice(transfer.entry.length + 1) },
  { kind: 'each', of: ({ debit }) => debit },
  { kind: 'each', of: ({ credit }) => credit },
  { kind: 'shared', of: ({ transfer }) => transfer.amount.asset },
  { kind: 'shared', of: ({ transfer }) => transfer.amount.atomic },
  { kind: 'shared', of: ({ transfer }) => transfer.reason },
  { kind: 'each', of: ({ transfer }) => transfer.reference },
];

const placeText = (provider: string, { code, asset, account = '', detail = '' }: Place): string =>
  `${provider}|${code}|${asset}|${account}|${detail}`;

const idOf = (text: string): string => `la_${hash('md5', text)}`;

/** What `ledger_account_id` in the database says. */
export const ledgerAccountId = (provider: string, place: Place): string => idOf(placeText(provider, place));

/**
 * Ledger accounts that are known to exist, since they are never removed: what is posted to them names them by id and leaves nothing to
 * look up. Each transaction is checked to name ledger accounts that there are.
 */
export class KnownPlaces {
  readonly #known = new Map<string, string>();

  /** For transfers that are written with what makes them happen once: their posting keys are taken to be new. */
  newTransfers(entries: readonly Entry[]): NewTransfers {
    const opened = new Map<string, OpenedPlace>();
    const idIn = (provider: string, place: Place): string => {
      const text = placeText(provider, place);
      const known = this.#known.get(text) ?? opened.get(text)?.id;
      if (known !== undefined) return known;
      const id = idOf(text);
      opened.set(text, { text, id, provider, place });
      return id;
    };
    const rows = entries.flat().map((transfer) => ({
      transfer,
      debit: idIn(transfer.provider, transfer.debit),
      credit: idIn(transfer.provider, transfer.credit),
    }));
    const places = [...opened.values()];
    return { places: rowColumns(places, PLACES), transfers: rowColumns(rows, TRANSFERS), opened: places };
  }

  /** These were committed. */
  learn(opened: readonly OpenedPlace[]): void {
    if (this.#known.size + opened.length > REMEMBERED) this.#known.clear();
    for (const { text, id } of opened) this.#known.set(text, id);
  }
}
