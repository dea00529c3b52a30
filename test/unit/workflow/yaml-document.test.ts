/** YAML in: strict, and every value keeps its place (law 10). Bombs stand in `../cli/bad-workflow-cases.ts`. */
import { describe, expect, it } from 'vitest';
import { parseYaml } from '../../../engine/workflow/yaml-document.ts';

const messages = (text: string): string[] => parseYaml(text, 'f.yaml').problems.map((p) => p.message);

describe('YAML', () => {
  it('keeps the line and column of every value and key, in block and flow style', () => {
    const { locate, value } = parseYaml('a: 1\nb:\n  - x: { y: two }\n  - "z"\n', 'f.yaml');
    expect(value).toEqual({ a: 1, b: [{ x: { y: 'two' } }, 'z'] });
    expect(locate('b[0].x.y')).toEqual({ file: 'f.yaml', line: 3, column: 13, value: 'two', excerpt: '  - x: { y: two }' });
    expect(locate('b[0].x.y', 'key')).toMatchObject({ line: 3, column: 10 });
    expect(locate('b[1]')).toMatchObject({ line: 4, column: 5, value: '"z"' });
  });

  it('points to the nearest thing written when a path was not', () => {
    const { locate } = parseYaml('a:\n  b: 1\n', 'f.yaml');
    expect(locate('a.c.d')).toMatchObject({ line: 1, column: 1 });
    expect(locate('a.b.no [path] at.all')).toMatchObject({ line: 2 });
  });

  it.each([
    ['a: !js 1', "The tag '!js' is not supported"],
    ['a: !!binary aGk=', "The tag 'tag:yaml.org,2002:binary' is not supported"],
    ['a: 1\na: 2', "The key 'a' stands twice in this map"],
    ['a: *b', "There is no anchor '&b' before this alias"],
    ['a: .inf', ".inf can't be kept exactly"],
    ['a: 9007199254740993', "9007199254740993 can't be kept exactly"],
    ['a: 1e20', "1e20 can't be kept exactly"],
    ['a: "\\uD800"', 'The text holds half of a surrogate pair'],
    ['? [1]\n: 2', 'A key must be plain text'],
    ['__proto__: 1', "'__proto__' can't be a key"],
    ['%YAML 1.1\n---\na: 1', 'YAML 1.1 is not supported'],
    ['a: 1\n---\nb: 2', 'The file holds more than one YAML document'],
  ])('%j is refused with a reason', (text, message) => {
    expect(messages(text)).toEqual([message]);
  });

  it('reads only what the core schema of 1.2 calls numbers and truth values', () => {
    expect(parseYaml('[yes, 012, 0x1f, 1_000, -0, 1e3, ~]', 'f').value).toEqual(['yes', 12, 31, '1_000', 0, 1000, null]);
  });
});
