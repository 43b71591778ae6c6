/** What an id names, by prefix. The prefix is part of the id everywhere: in tables, in the API, in logs. */
export const ID_PREFIXES = {
  provider: 'prv',
  account: 'acct',
  key: 'key',
  identity: 'idn',
  meter: 'mtr',
  price: 'prc',
  plan: 'pln',
  planVersion: 'plv',
  event: 'evt',
  charge: 'chg',
  backfill: 'bkf',
  relayOrder: 'rly',
  payment: 'pay',
  resource: 'rsc',
  hold: 'hld',
  voucher: 'vch',
  grant: 'grt',
  topUp: 'top',
  channel: 'chn',
  claim: 'clm',
  refund: 'rfd',
  limit: 'lim',
  alert: 'alt',
  statement: 'stm',
  statementPayment: 'spm',
  collection: 'col',
  attempt: 'att',
  paymentMethod: 'pmt',
  checkout: 'cks',
  cardRefund: 'crf',
  dispute: 'dsp',
  attestation: 'cra',
  webhookEndpoint: 'whe',
  batch: 'batch',
  transfer: 'txn',
  ledgerAccount: 'la',
  request: 'req',
} as const;

export type IdPrefix = (typeof ID_PREFIXES)[keyof typeof ID_PREFIXES];

/** Makes ids: `<prefix>_<32 hex digits of a UUID version 7>`, so that ids made later sort later. */
export abstract class IdSource {
  abstract next(prefix: IdPrefix): string;
}

/** Whether `text` has the form of an id with this prefix. */
export const isId = (text: string, prefix: IdPrefix): boolean =>
  text.startsWith(`${prefix}_`) && /^[0-9a-f]{32}$/.test(text.slice(prefix.length + 1));
