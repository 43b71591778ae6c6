import { LEDGER_CODES } from '@core/ledger';
import { postingKind } from '@core/statements';

const KEYS = [
  'accrue:chg_1:2:usage',
  'accrue:chg_1:usage',
  'accrue:chg_1:x:usage',
  'capture:hld_1:charge',
  'capture:hld_1:payment',
  'capture:hld_1:payment:grt_1',
  'capture:hld_1:payment:grt_1:more',
  'fail:pay_1:return',
  'fail:pay_1:loss',
  'reverse:capture:hld_1:charge',
  'restore:hld_1:5:charge',
  'adjust:1:amount',
  'collect:att_1:receipt',
];

const WORDS = {
  metered: 'charge',
  paid: 'charge',
  payment: 'payment',
  spent: 'payment',
  collected: 'payment',
  adjustment: 'adjustment',
} as const;

/** Movements of receivables of every form, with what core takes them for in the words of a statement's totals. */
export const receivableKinds = () =>
  KEYS.flatMap((key) =>
    Object.keys(LEDGER_CODES).map((counter) => ({ key, counter, kind: WORDS[postingKind(key, counter).kind] })),
  );
