import { isColumnText, joinParts, type RowColumn, rowColumns } from './row-columns.js';

interface Row {
  readonly id: string;
  readonly asset: string;
  readonly note?: string;
}

const COLUMNS: readonly RowColumn<Row>[] = [
  { kind: 'each', of: ({ id }) => id },
  { kind: 'shared', of: ({ asset }) => asset },
  { kind: 'optional', free: true, of: ({ note }) => note },
];

describe('rows as columns', () => {
  it('say once what is the same in every row, and what a row lacks', () => {
    const rows = [
      { id: 'a', asset: 'usd' },
      { id: 'b', asset: 'usd', note: 'x' },
    ];
    expect(rowColumns(rows, COLUMNS)).toBe('a\x1fb\x1eusd\x1e\x1c\x1fx');
    expect(rowColumns([{ id: 'a', asset: 'usd' }], COLUMNS)).toBe('a\x1eusd\x1e');
    expect(rowColumns([...rows, { id: 'b', asset: 'eur' }], COLUMNS)).toBe(
      'a\x1fb\x1fb\x1eusd\x1fusd\x1feur\x1e\x1c\x1fx\x1f\x1c',
    );
  });

  it('never say a value of a row of its own once, even when two are alike', () => {
    expect(
      rowColumns(
        [
          { id: 'a', asset: 'usd' },
          { id: 'a', asset: 'usd' },
        ],
        COLUMNS,
      ),
    ).toBe('a\x1fa\x1eusd\x1e');
  });

  it('have no text in them that would be taken for two', () => {
    for (const separator of ['\x1c', '\x1d', '\x1e', '\x1f']) {
      expect(isColumnText(`a${separator}b`)).toBe(false);
      expect(() => rowColumns([{ id: 'a', asset: 'usd', note: `a${separator}b` }], COLUMNS)).toThrow('separator');
    }
    expect(isColumnText('a b\n"\\,{}')).toBe(true);
  });

  it('are nothing without rows, and a part all the same', () => {
    expect(joinParts([rowColumns([], COLUMNS), 'a'])).toBe('\x1da');
  });
});
