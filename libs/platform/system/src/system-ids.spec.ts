import { ID_PREFIXES, isId } from '@core/ids';
import { SystemIds } from './system-ids.js';

describe('ids', () => {
  it('are well formed and never repeat, over many draws of randomness and many makers', () => {
    const makers = [new SystemIds(), new SystemIds()];
    const ids = Array.from({ length: 5_000 }, (_, i) => (makers[i % 2] ?? new SystemIds()).next(ID_PREFIXES.payment));
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.every((id) => isId(id, ID_PREFIXES.payment))).toBe(true);
  });

  it('sort by when they were made', () => {
    const ids = new SystemIds();
    const first = ids.next('pay');
    const at = Date.now();
    while (Date.now() === at) continue;
    expect(ids.next('pay') > first).toBe(true);
  });
});
