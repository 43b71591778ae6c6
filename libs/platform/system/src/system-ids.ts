import { v7 } from 'uuid';
import { type IdPrefix, IdSource } from '@core/ids';

/** Ids from UUID version 7: unique without coordination, and later ones sort later. */
export class SystemIds extends IdSource {
  next(prefix: IdPrefix): string {
    return `${prefix}_${v7().replaceAll('-', '')}`;
  }
}
