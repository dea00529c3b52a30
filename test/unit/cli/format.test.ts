/** What people read: figures, columns, and texts of records that can't break a line or command a terminal. */
import { describe, expect, it } from 'vitest';
import { bytesText, clipped, columns, grouped, oneLine, percent, secondsText, shortened } from '../../../cli/format.ts';
import { showValue } from '../../../cli/show-value.ts';
import { whyText } from '../../../cli/why-text.ts';

describe('a line that is drawn', () => {
  it('is as wide as the terminal at most, whatever colours it, and colours end where they did', () => {
    const bold = '\u001b[1mabcdef\u001b[22mgh';
    expect([clipped('abc', 3), clipped('abcd', 3), clipped('', 3)]).toEqual(['abc', 'abc', '']);
    expect(clipped(bold, 8)).toBe(bold);
    expect(clipped(bold, 4)).toBe('\u001b[1mabcd\u001b[22m');
    expect(clipped(bold, 7)).toBe('\u001b[1mabcdef\u001b[22mg');
  });
});

describe('figures', () => {
  it('are grouped by thousands, without touching a fraction', () => {
    expect([0, 999, 1000, 1234567, 1234.5678].map(grouped)).toEqual(['0', '999', '1,000', '1,234,567', '1,234.5678']);
  });

  it('have the unit that fits', () => {
    expect([0, 999, 1000, 12_345, 1_234_567, 5e9, 7e15].map(bytesText)).toEqual([
      '0 B',
      '999 B',
      '1.00 kB',
      '12.3 kB',
      '1.23 MB',
      '5.00 GB',
      '7000.0 TB',
    ]);
    expect([0.123, 12.34, 119.9, 185].map(secondsText)).toEqual(['0.12 s', '12.3 s', '119.9 s', '3 min 05 s']);
    expect([percent(1, 3), percent(0, 0)]).toEqual(['33.3 %', '–']);
  });
});

describe('columns', () => {
  it('are as wide as their widest cell, and lines have no trailing space', () => {
    expect(
      columns(
        [
          ['a', '1', ''],
          ['long', '1,000', 'x'],
        ],
        [1],
        '  ',
      ),
    ).toBe('  a         1\n  long  1,000  x');
    expect(columns([])).toBe('');
  });
});

describe('texts of records', () => {
  it('stay on one line and command no terminal', () => {
    expect(oneLine('a\nb\u001b[31m\u009b2J\u2028')).toBe('a\\nb\\u001b[31m\\u009b2J\\u2028');
    expect(showValue({ text: 'x\u001b]0;title\u0007', bytes: Uint8Array.of(1, 255) })).toBe(
      '{"text":"x\\u001b]0;title\\u0007","bytes":"01ff"}',
    );
    expect(whyText({ measured: 'a\u001b[2J', limit: 3, winner: 'w/1/0.0' })).toBe(
      ' · measured a\\u001b[2J · limit 3 · the same as w/1/0.0',
    );
  });

  it('are shortened with a mark', () => {
    expect([shortened('abcd', 4), shortened('abcde', 4)]).toEqual(['abcd', 'abc…']);
  });
});
