/** Weights where a field says which list: each list is drawn from as it would be alone, and what can't be weighted is named with its place. */
import type { DataSet, Json, Operator, Row, Value } from '#engine';
import { digestHex } from '#engine';
import { operators } from '#operators';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planOver } from './plan-context.ts';
import { runRows } from './run-rows.ts';

const found = operators.find(({ name }) => name === 'select');
if (found === undefined) throw new RangeError('no select');
const select: Operator = found;

const TEAS = ['sencha', 'assam', 'oolong'];
const TOOLS = ['hammer', 'saw', 'file'];
const data = { teas: TEAS, tools: TOOLS };
const from = { by: 'kind', lists: { tea: 'teas', tool: 'tools' } };
const rows = (count: number): Row[] => Array.from({ length: count }, (_, n) => ({ kind: n % 2 === 0 ? 'tea' : 'tool' }));

const given = async (params: Record<string, Json>, input: readonly Row[]): Promise<readonly Value[]> => {
  const outcomes = await runRows('select', { as: 'it', ...params }, input, data);
  return outcomes.map((outcome) => ('row' in outcome ? (outcome.row['it'] ?? null) : null));
};

describe('select by weight, where a field says which list', () => {
  it('picks what the seed says, in this release and the next', async () => {
    const weight = { tea: { sencha: 0.1, assam: 0.7, oolong: 0.2 }, tool: { hammer: 1, saw: 0, file: 1 } };
    expect(await given({ from, weight }, rows(10))).toEqual('sencha file assam hammer assam file sencha hammer assam hammer'.split(' '));
    expect(await given({ from, weight, pick: 2 }, rows(4))).toEqual([
      ['sencha', 'assam'],
      ['file', 'hammer'],
      ['assam', 'oolong'],
      ['hammer', 'file'],
    ]);
  });

  it('gives what the list alone, with the same weights, would give the same candidate', async () => {
    const weights = (names: readonly string[]) =>
      fc.option(
        fc
          .tuple(...names.map(() => fc.oneof(fc.nat(9), fc.constantFrom(0.25, 1.5))))
          .filter((all) => all.filter((one) => one > 0).length >= 2)
          .map((all) => Object.fromEntries(names.map((name, n) => [name, all[n] ?? 0]))),
        { nil: undefined },
      );
    const one = (tea: Json | undefined, tool: Json | undefined, pick: number | undefined) => ({
      ...(pick === undefined ? {} : { pick }),
      weight: { ...(tea === undefined ? {} : { tea }), ...(tool === undefined ? {} : { tool }) },
    });
    await fc.assert(
      fc.asyncProperty(weights(TEAS), weights(TOOLS), fc.constantFrom(undefined, 1, 2), async (tea, tool, pick) => {
        const input = rows(40);
        const alone = (list: string, weight: Json | undefined) =>
          given({ from: list, ...(pick === undefined ? {} : { pick }), ...(weight === undefined ? {} : { weight }) }, input);
        const [teas, tools] = [await alone('teas', tea), await alone('tools', tool)];
        const expected = input.map((_, n) => (n % 2 === 0 ? teas : tools)[n]);
        expect(await given({ from, ...one(tea, tool, pick) }, input)).toEqual(expected);
      }),
      { numRuns: 30 },
    );
  });

  it('follows the weights, and never picks an element of weight 0', async () => {
    const picked = await given({ from, weight: { tea: { sencha: 0, assam: 1, oolong: 3 } } }, rows(4000));
    const count = (name: string): number => picked.filter((one) => one === name).length;
    expect(count('sencha')).toBe(0);
    expect(Math.abs(count('oolong') / 2000 - 0.75)).toBeLessThan(0.05);
    for (const tool of TOOLS) expect(Math.abs(count(tool) / 2000 - 1 / 3)).toBeLessThan(0.05);
  });
});

const list = (values: readonly Value[], type: DataSet['type'] = 'string'): DataSet => ({
  digest: digestHex('0'.repeat(64)),
  kind: 'list',
  type,
  values,
});
const THING: DataSet['type'] = {
  record: [
    { name: 'name', type: 'string' },
    { name: 'share', type: 'double' },
  ],
};
const things = (...shares: readonly number[]): readonly Value[] => shares.map((share, n) => ({ name: `n${n}`, share }));
const mapOf = (lists: Readonly<Record<string, readonly Value[]>>, type: DataSet['type']): DataSet => ({
  digest: digestHex('1'.repeat(64)),
  kind: 'map',
  type: { array: type },
  keys: Object.keys(lists),
  values: Object.values(lists).map((values) => [...values]),
});
const plan = (params: object, sets: Readonly<Record<string, DataSet>>) =>
  planOver(select, { from, as: 'it', ...params }, [{ name: 'kind', type: 'string' }], { data: sets });
const TEXTS = { teas: list(TEAS), tools: list(TOOLS) };

describe('a plan of it', () => {
  it('holds the weights of each list as whole numbers, in order of the lists; null for equal ones', () => {
    const planned = plan({ weight: { tool: { hammer: 0.5, saw: 0.25, file: 0 } } }, TEXTS);
    expect(planned.problems).toEqual([]);
    expect(planned.plans[0]?.params).toEqual({
      as: 'it',
      by: 'kind',
      column: true,
      values: ['tea', 'tool'],
      listWeights: [null, [50, 25, 0]],
    });
  });

  it('without weights is the one of before', () => {
    expect(plan({}, TEXTS).plans[0]?.params).toEqual({ as: 'it', by: 'kind', column: true, values: ['tea', 'tool'] });
  });

  it('takes a number field of the elements, of lists and of a map of lists', () => {
    const lists = { teas: list(things(1, 2), THING), tools: list(things(0, 0.5), THING) };
    expect(plan({ weight: 'share' }, lists).plans[0]?.params).toMatchObject({
      listWeights: [
        [1, 2],
        [0, 5],
      ],
    });
    const map = { things: mapOf({ tea: things(3), tool: things(4, 0) }, THING) };
    expect(plan({ from: { by: 'kind', map: 'things' }, weight: 'share' }, map).plans[0]?.params).toMatchObject({
      listWeights: [[3], [4, 0]],
    });
  });

  it('takes weights by key and element of a map of lists', () => {
    const map = { things: mapOf({ tea: ['sencha', 'assam'], tool: ['saw'] }, 'string') };
    const planned = plan({ from: { by: 'kind', map: 'things' }, weight: { tea: { sencha: 1, assam: 2 } } }, map);
    expect(planned.plans[0]?.params).toMatchObject({ listWeights: [[1, 2], null] });
  });

  it.each<[string, object, Readonly<Record<string, DataSet>>, readonly string[]]>([
    ['a list that there is not', { weight: { tee: { sencha: 1 } } }, TEXTS, ["weight.tee: There is no list for 'tee'"]],
    ['a number for a list', { weight: { tea: 3 } }, TEXTS, ["weight.tea: 'tea' is a list, and 3 no weights of its elements"]],
    [
      'an element that there is not',
      { weight: { tea: { sencha: 1, assam: 1, oolong: 1, senca: 1 } } },
      TEXTS,
      ["weight.tea.senca: There is no element 'senca' of list 'tea'"],
    ],
    ['too few weights', { weight: { tea: { sencha: 1 } } }, TEXTS, ["weight.tea: No weight for 'assam', 'oolong' of list 'tea'"]],
    [
      'weights of 0 only',
      { weight: { tea: { sencha: 0, assam: 0, oolong: 0 } } },
      TEXTS,
      ["weight.tea: Every element of list 'tea' has weight 0: there is nothing to pick from"],
    ],
    [
      'weights that are too far apart',
      { weight: { tea: { sencha: 1e-9, assam: 1e9, oolong: 1 } } },
      TEXTS,
      ["weight.tea: The weights of list 'tea' are too far apart to be exact"],
    ],
    [
      'more picks than weights above 0',
      { pick: 2, weight: { tea: { sencha: 0, assam: 0, oolong: 1 } } },
      TEXTS,
      ["pick: 2 different elements can't be picked from 1"],
    ],
    [
      'texts by a field',
      { weight: 'share' },
      TEXTS,
      [
        "weight: Element 0 of list 'tea' has no weight in a field 'share'",
        "weight: Element 0 of list 'tool' has no weight in a field 'share'",
      ],
    ],
    [
      'records by name',
      { weight: { tea: { n0: 1 } } },
      { teas: list(things(1), THING), tools: list(things(1), THING) },
      ['weight.tea: Only lists of texts and maps can be weighted by name'],
    ],
    [
      'a negative number in a field',
      { weight: 'share' },
      { teas: list(things(1, -2), THING), tools: list(things(1), THING) },
      ["weight: Element 1 of list 'tea' has no weight in a field 'share'"],
    ],
    [
      'a field that is not finite',
      { weight: 'share' },
      { teas: list(things(1), THING), tools: list(things(Number.POSITIVE_INFINITY), THING) },
      ["weight: Element 0 of list 'tool' has no weight in a field 'share'"],
    ],
    [
      'turns',
      { each: true },
      TEXTS,
      [': `each` gives the elements of one list their turns, so it does not go with a field that says which list'],
    ],
    [
      'weights by list of one list',
      { from: 'teas', weight: { sencha: { a: 1 }, assam: 1, oolong: 1 } },
      TEXTS,
      ["weight.sencha: The weight of 'sencha' is a map, and 'from' names one list"],
    ],
  ])('refuses %s', (_, params, sets, problems) => {
    const planned = plan(params, sets);
    expect(planned.plans).toEqual([]);
    expect(planned.problems).toEqual(problems);
  });
});
