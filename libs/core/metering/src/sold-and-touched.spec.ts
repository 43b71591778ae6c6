import { formatDecimal } from '@core/money';
import { packEvents } from './batch-events.js';
import type { ListeningMeter } from './contribution-rows.js';
import { t0 } from './contributions.examples.js';
import { Contributions } from './contributions.js';
import { at, exact, exampleMeter } from './meter.examples.js';
import type { LoggedEvent } from './usage-event.js';

describe('usage sold through the gate', () => {
  const meter: ListeningMeter = {
    number: 7,
    versions: [exampleMeter('sum', { groupBy: ['region'] })],
    cuts: [at('2026-11-20T23:20:00Z')],
  };

  it('has a cell of its own kind, and nothing to rate', () => {
    const contributions = new Contributions();
    const sold = { account: 1, meter, time: at('2026-11-20T23:25:00Z'), quantity: exact('0.5') };
    contributions.addSold(sold);
    contributions.addSold({ ...sold, dimensions: { region: 'eu' } });
    contributions.addSold({ ...sold, quantity: exact('1.25') });
    const row = { account: 1, meter: 7, start: meter.cuts[0], count: 0, sum: exact('0'), cost: exact('0') };
    expect(contributions.cells()).toEqual([
      { ...row, grain: 15, series: '["eu"]', sold: exact('0.5') },
      { ...row, grain: 15, series: '[null]', sold: exact('1.75') },
      { ...row, grain: 1440, series: '["eu"]', sold: exact('0.5') },
      { ...row, grain: 1440, series: '[null]', sold: exact('1.75') },
    ]);
    expect(contributions.touched()).toEqual([]);
    contributions.addSold({ ...sold, quantity: exact('1.75'), sign: -1 });
    expect(contributions.cells().map(({ series }) => series)).toEqual(['["eu"]', '["eu"]']);
  });
});

describe('what must be rated again', () => {
  it('begins at the earliest event of each account and meter', () => {
    const send = (subject: string, time: string): LoggedEvent => ({
      source: '/s',
      id: '1',
      type: 'm',
      subject,
      time: at(time),
      timeStated: true,
    });
    const batch = packEvents([
      send('a', '2026-11-20T10:00:00Z'),
      send('a', '2026-11-02T10:00:00Z'),
      send('b', '2026-11-20T10:00:00Z'),
      send('b', '2026-11-01T10:00:00Z'),
      send('nobody', '2026-11-01T10:00:00Z'),
    ]);
    const meter: ListeningMeter = { number: 7, versions: [exampleMeter('count')], cuts: [] };
    const contributions = new Contributions();
    contributions.add(batch, { accounts: [1, 2, 0], meters: [[meter]] }, 1n, { skip: new Set([3]) });
    expect(contributions.touched()).toEqual([
      { account: 1, meter: 7, since: at('2026-11-02T10:00:00Z') },
      { account: 2, meter: 7, since: at('2026-11-20T10:00:00Z') },
    ]);
  });

  it('sums more than a safe integer holds, and takes it away again', () => {
    const most = String(Number.MAX_SAFE_INTEGER);
    const send = (value: string): LoggedEvent => ({
      source: '/s',
      id: '1',
      type: 'm',
      subject: 'a',
      time: t0,
      timeStated: true,
      value,
    });
    const batch = packEvents([
      send(most),
      send('2'),
      send('0.1'),
      send('0.2'),
      send('99999999999999999999.000000000000000001'),
    ]);
    const refs = { accounts: [1], meters: [[{ number: 1, versions: [exampleMeter('sum')], cuts: [] }]] };
    const contributions = new Contributions();
    contributions.add(batch, refs, 1n);
    expect(contributions.cells().map(({ sum }) => formatDecimal(sum))).toEqual([
      '100009007199254740992.300000000000000001',
      '100009007199254740992.300000000000000001',
    ]);
    contributions.add(batch, refs, 1n, { sign: -1 });
    expect(contributions.cells()).toEqual([]);
  });
});
