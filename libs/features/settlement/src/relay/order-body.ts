import type { ClaimRow, RelayOrder } from '@core/settlement';
import { big } from '@platform/database';

/** The same with decimal digits where numbers are big, as a jsonb column keeps it. */
type AsText<Value> = Value extends bigint
  ? string
  : Value extends string | number | boolean | null | undefined
    ? Value
    : { readonly [Key in keyof Value]: AsText<Value[Key]> };

/** An order as it is kept. Written here and nowhere else, hence read without suspicion. */
export type OrderBody = AsText<RelayOrder>;

/** Undefined fields are left out. Keys keep their order, so that the same order gives the same text. */
export const orderText = (order: RelayOrder): string =>
  JSON.stringify(order, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value));

const rowOf = ({ config, voucher, totalClaimed }: AsText<ClaimRow>): ClaimRow => ({
  config,
  voucher: { ...voucher, maxClaimable: big(voucher.maxClaimable) },
  totalClaimed: big(totalClaimed),
});

export function orderOf(body: OrderBody): RelayOrder {
  switch (body.kind) {
    case 'deposit': {
      const { authorization } = body;
      const validAfter = big(authorization.validAfter);
      const validBefore = big(authorization.validBefore);
      return { ...body, amount: big(body.amount), authorization: { ...authorization, validAfter, validBefore } };
    }
    case 'claim':
      return { ...body, rows: body.rows.map(rowOf) };
    case 'settle':
      return { ...body, total: big(body.total) };
    case 'refund': {
      const { claim, signatures } = body;
      return {
        ...body,
        amount: big(body.amount),
        nonce: big(body.nonce),
        claim: claim && rowOf(claim),
        signatures: { refund: signatures.refund, claim: signatures.claim },
      };
    }
  }
}

const rowText = ({ voucher, totalClaimed }: ClaimRow): string =>
  `${voucher.channelId} ${voucher.maxClaimable} ${totalClaimed}`;

/** What makes two requests one order: the authorization, the claim as it was signed, the sum to pay out, the nonce of the refund. */
export function identityText(order: RelayOrder): string {
  switch (order.kind) {
    case 'deposit':
      return `deposit ${order.config.token} ${order.config.payer} ${order.nonce}`;
    case 'claim':
      return `claim ${order.signature} ${order.rows.map(rowText).join(' ')}`;
    case 'settle':
      return `settle ${order.receiver} ${order.token} ${order.total}`;
    case 'refund':
      return `refund ${order.channelId} ${order.nonce}`;
  }
}
