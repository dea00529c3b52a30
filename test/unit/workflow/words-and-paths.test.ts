/** Hints, paths, problems as text: what a person reads when something is wrong (law 10). */
import { describe, expect, it } from 'vitest';
import { formatPath, parsePath } from '../../../engine/workflow/document-path.ts';
import { formatProblems } from '../../../engine/workflow/format-problems.ts';
import { editDistance, nearest, nearestName, nearestOrAll } from '../../../engine/workflow/nearest.ts';
import { sortProblems } from '../../../engine/workflow/place.ts';

describe('nearest names', () => {
  it('count a swap of neighbours as one error', () => {
    expect(editDistance('lenght', 'length')).toBe(1);
    expect(editDistance('', 'abc')).toBe(3);
    expect(editDistance('kitten', 'sitting')).toBe(3);
  });

  it.each([
    ['lenght', 'length'],
    ['Select', 'select'],
    ['temp', 'template'],
    ['xyz', undefined],
    ['', undefined],
  ])('%j is near %j', (word, expected) => {
    expect(nearestName(word, ['select', 'template', 'length', 'range'])).toBe(expected);
  });

  it('are a question, or else the list of what there is', () => {
    expect(nearest('rnage', ['range'])).toBe("did you mean 'range'?");
    expect(nearestOrAll('zzz', ['a', 'b'], 'fields')).toBe('fields: a, b');
    expect(nearestOrAll('zzz', [], 'fields')).toBe('there are no fields');
  });
});

describe('paths', () => {
  it.each([[['verify', 1, 'length', 'words', 0]], [['data', 'my list', 'map', 'a"b\\']], [['a']], [[]], [[3]]])(
    '%j survive being written and read',
    (segments) => {
      expect(parsePath(formatPath(segments))).toEqual(segments);
    },
  );

  it.each(['.a', 'a..b', 'a[', 'a[x]', 'a[-1]', '[0]a', 'a b', 'a["b]', 'a.'])('%j is none', (text) => {
    expect(parsePath(text)).toBeUndefined();
  });
});

describe('problems as text', () => {
  it('show place, line with caret, value, expectation and cure', () => {
    const text = formatProblems([
      {
        path: 'a.b',
        message: 'Too small',
        file: 'w.yaml',
        line: 12,
        column: 4,
        excerpt: '\tb: 0',
        value: '0',
        expected: 'at least 1',
        hint: 'raise it',
      },
      { path: 'c', message: 'Odd', file: '--set c=1' },
    ]);
    expect(text).toBe(
      [
        'w.yaml:12:4  Too small',
        '    12 | \tb: 0',
        '       | \t  ^',
        '    at        a.b',
        '    value     0',
        '    expected  at least 1',
        '    try       raise it',
        '',
        '--set c=1  Odd',
        '    at        c',
        '',
        '2 problems',
      ].join('\n'),
    );
    expect(formatProblems([])).toBe('');
  });

  it('stand in order of position, those without one last', () => {
    const at = (line?: number, column?: number) => ({
      path: '',
      message: `${line}:${column}`,
      ...(line === undefined ? {} : { line }),
      ...(column === undefined ? {} : { column }),
    });
    expect(sortProblems([at(), at(2, 5), at(1, 9), at(2, 1)]).map((p) => p.message)).toEqual(['1:9', '2:1', '2:5', 'undefined:undefined']);
  });
});
