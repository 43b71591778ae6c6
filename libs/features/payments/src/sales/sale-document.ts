import type { PaymentState } from '@core/payments';

/** Where a sale stands whose payment is all there is of it so far, in the words of public documents. */
export function paidSaleStatus(payment: PaymentState): 'pending' | 'confirmed' | 'failed' {
  switch (payment) {
    case 'included':
    case 'settled':
    case 'recovered':
      return 'confirmed';
    case 'failed':
    case 'voided':
      return 'failed';
    case 'reserved':
    case 'served':
    case 'settling':
      return 'pending';
  }
}

/** A path of this service as others reach it. */
export const publicPath = (publicUrl: string, path: string): string => `${publicUrl.replace(/\/$/, '')}${path}`;
