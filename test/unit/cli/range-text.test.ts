/** How much of a run was looked at: only the whole of a closed run needs no word. */
import { describe, expect, it } from 'vitest';
import { extentText, rangeText } from '../../../cli/range-text.ts';

describe('what is said behind a title', () => {
  it.each([
    [{ closed: true, range: { from: 0, to: 9 } }, ''],
    [{ closed: true, range: undefined }, ''],
    [{ closed: true, range: { from: 1, to: 9 } }, ' (tasks 1..9)'],
    [{ closed: true, range: { from: 0, to: 8 } }, ' (tasks 0..8)'],
    [{ closed: false, range: { from: 0, to: 9 } }, ' (tasks 0..9 of a run that goes on)'],
    [{ closed: false, range: { from: 1200, to: 5000 } }, ' (tasks 1,200..5,000 of a run that goes on)'],
  ])('of %o, where task 9 is the last, is "%s"', (looked, text) => {
    expect(extentText(looked, 9)).toBe(text);
  });

  it('names both ends of a range', () => {
    expect(rangeText({ from: 3, to: 3 })).toBe('3..3');
  });
});
