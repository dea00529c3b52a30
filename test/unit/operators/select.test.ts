import { seededDraws } from '../../../engine/datavm/draws.ts';
import type { DataSet, Operator, Value } from '#engine';
import { digestHex } from '#engine';
import { operators } from '#operators';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { prefixSums, scaleToIntegers, searchSums } from '../../../operators/select/weights.ts';
import { planOver } from './plan-context.ts';
import { runRows } from './run-rows.ts';

const find = (name: string): Operator => {
  const found = operators.find((operator) => operator.name === name);
  if (found === undefined) throw new RangeError(name);
  return found;
};
const rows = (count: number) => Array.from({ length: count }, (_, n) => ({ n }));
const picked = async (
  params: Record<string, string | number | boolean | Record<string, number>>,
  list: readonly string[],
  count: number,
): Promise<readonly Value[]> => {
  const outcomes = await runRows('select', { from: 'list', as: 'it', ...params }, rows(count), { list });
  return outcomes.map((outcome) => ('row' in outcome ? (outcome.row['it'] ?? null) : null));
};
const set = (values: readonly Value[], type: DataSet['type'], keys?: readonly string[]): DataSet => ({
  digest: digestHex('0'.repeat(64)),
  kind: keys === undefined ? 'list' : 'map',
  type,
  values,
  ...(keys === undefined ? {} : { keys }),
});

describe('select', () => {
  it('picks what the seed says, in this release and the next', async () => {
    expect(await picked({}, ['a', 'b', 'c'], 8)).toMatchInlineSnapshot(`
      [
        "b",
        "b",
        "c",
        "b",
        "b",
        "a",
        "c",
        "c",
      ]
    `);
    expect(await picked({ pick: 2 }, ['a', 'b', 'c'], 4)).toMatchInlineSnapshot(`
      [
        [
          "a",
          "c",
        ],
        [
          "a",
          "b",
        ],
        [
          "b",
          "c",
        ],
        [
          "c",
          "b",
        ],
      ]
    `);
    expect(await picked({ weight: { a: 0.1, b: 0.7, c: 0.2 } }, ['a', 'b', 'c'], 8)).toMatchInlineSnapshot(`
      [
        "a",
        "b",
        "b",
        "b",
        "b",
        "b",
        "a",
        "b",
      ]
    `);
    expect(await picked({ each: true }, ['a', 'b', 'c'], 9)).toMatchInlineSnapshot(`
      [
        "b",
        "c",
        "a",
        "c",
        "b",
        "a",
        "b",
        "a",
        "c",
      ]
    `);
  });

  it('each: n candidates in a row get all n elements, and rounds differ', async () => {
    const list = Array.from({ length: 20 }, (_, n) => `e${n}`);
    const got = await picked({ each: true }, list, 60);
    const rounds = [got.slice(0, 20), got.slice(20, 40), got.slice(40)];
    for (const round of rounds) expect([...round].sort()).toEqual([...list].sort());
    expect(rounds[0]).not.toEqual(rounds[1]);
  });

  it('pick: different elements, those of the lowest hash; a larger pick begins with the smaller one', async () => {
    const list = Array.from({ length: 12 }, (_, n) => `e${n}`);
    const [three, five] = [await picked({ pick: 3 }, list, 10), await picked({ pick: 5 }, list, 10)];
    const draws = seededDraws(7, 'it');
    for (let candidate = 0; candidate < 10; candidate++) {
      const order = list.map((name, index) => ({ name, hash: Buffer.from(draws.bytes(candidate, 'it', index)).toString('hex') }));
      order.sort((a, b) => (a.hash < b.hash ? -1 : 1));
      expect(five[candidate]).toEqual(order.slice(0, 5).map((entry) => entry.name));
      expect(three[candidate]).toEqual(order.slice(0, 3).map((entry) => entry.name));
    }
  });

  it('weighted picks without replacement are different, and never of weight 0', async () => {
    for (const got of await picked({ pick: 2, weight: { a: 1, b: 0, c: 1000 } }, ['a', 'b', 'c'], 30)) {
      expect([...(Array.isArray(got) ? got : [])].sort()).toEqual(['a', 'c']);
    }
  });

  it('frequencies follow the weights', async () => {
    const got = await picked({ weight: { a: 1, b: 3 } }, ['a', 'b'], 2000);
    const share = got.filter((name) => name === 'b').length / 2000;
    expect(Math.abs(share - 0.75)).toBeLessThan(0.05);
  });

  it('decimal weights become exact integers', () => {
    expect(scaleToIntegers([0.1, 0.2, 0.7])).toEqual([1, 2, 7]);
    expect(scaleToIntegers([1e-7, 1, 0])).toEqual([1, 1e7, 0]);
    expect(scaleToIntegers([5e-324, 1])).toBeUndefined();
    expect(scaleToIntegers([2 ** 40])).toEqual([2 ** 40]);
    expect(scaleToIntegers([2 ** 40, 1])).toBeUndefined();
  });

  it('the search finds the first sum above the draw', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(5), { minLength: 1, maxLength: 10 }).filter((w) => w.some((n) => n > 0)),
        (weights) => {
          const sums = prefixSums(weights);
          for (let drawn = 0; drawn < (sums[sums.length - 1] ?? 0); drawn++) {
            const index = searchSums(sums, drawn);
            expect(sums.findIndex((sum) => sum > drawn)).toBe(index);
            expect(weights[index]).toBeGreaterThan(0);
          }
        },
      ),
    );
  });

  it.each<[string, unknown, DataSet, string]>([
    ['an empty list', {}, set([], 'string'), 'from: There is nothing to pick from'],
    ['more than there are', { pick: 3 }, set(['a', 'b'], 'string'), "pick: 3 different elements can't be picked from 2"],
    ['weights of 0 only', { weight: { a: 0 } }, set(['a'], 'string'), 'from: There is nothing to pick from'],
    ['a missing weight', { weight: { a: 1 } }, set(['a', 'b'], 'string'), "weight: No weight for 'b'"],
    ['an unknown weight', { weight: { a: 1, bb: 1 } }, set(['a'], 'string'), "weight.bb: There is no element 'bb'"],
    [
      'a weight field that is no number',
      { weight: 'w' },
      set([{ w: 'x' }], { record: [{ name: 'w', type: 'string' }] }),
      "weight: Element 0 has no weight in a field 'w'",
    ],
    [
      'a key of its own',
      {},
      set([{ key: 'x' }], { record: [{ name: 'key', type: 'string' }] }, ['k']),
      "from: Entries of 'd' have a field 'key' of their own",
    ],
    [
      'turns and weights',
      { each: true, pick: 1 },
      set(['a'], 'string'),
      ': `each` gives every element its turn, so it goes with neither `pick` nor `weight`',
    ],
  ])('refuses %s', (_, params, data, problem) => {
    const planned = planOver(find('select'), { from: 'd', as: 'it', ...Object(params) }, [], { data: { d: data } });
    expect(planned.plans).toEqual([]);
    expect(planned.problems).toEqual([problem]);
  });

  it('refuses to change the type of a field', () => {
    const planned = planOver(find('select'), { from: 'd', as: 'n' }, [{ name: 'n', type: 'long' }], { data: { d: set(['a'], 'string') } });
    expect(planned.problems).toEqual(["as: There is a field 'n' already, and it is long, not string"]);
  });
});

describe('random', () => {
  it('draws what the seed says, in this release and the next', async () => {
    expect(await runRows('random', { as: 'r', integer: [1, 6] }, rows(6))).toMatchInlineSnapshot(`
      [
        {
          "row": {
            "n": 0,
            "r": 5,
          },
        },
        {
          "row": {
            "n": 1,
            "r": 3,
          },
        },
        {
          "row": {
            "n": 2,
            "r": 2,
          },
        },
        {
          "row": {
            "n": 3,
            "r": 3,
          },
        },
        {
          "row": {
            "n": 4,
            "r": 5,
          },
        },
        {
          "row": {
            "n": 5,
            "r": 5,
          },
        },
      ]
    `);
    expect(await runRows('random', { as: 'r', number: [0, 10], decimals: 2 }, rows(3))).toMatchInlineSnapshot(`
      [
        {
          "row": {
            "n": 0,
            "r": 7.16,
          },
        },
        {
          "row": {
            "n": 1,
            "r": 4.09,
          },
        },
        {
          "row": {
            "n": 2,
            "r": 9.48,
          },
        },
      ]
    `);
    expect(await runRows('random', { as: 'r', choice: ['x', 'y'] }, rows(3))).toMatchInlineSnapshot(`
      [
        {
          "row": {
            "n": 0,
            "r": "x",
          },
        },
        {
          "row": {
            "n": 1,
            "r": "x",
          },
        },
        {
          "row": {
            "n": 2,
            "r": "y",
          },
        },
      ]
    `);
  });

  it('stays within its range', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.nat(1000), async (low, width) => {
        for (const outcome of await runRows('random', { as: 'r', integer: [low, low + width] }, rows(5))) {
          const value = 'row' in outcome ? outcome.row['r'] : undefined;
          expect(Number.isInteger(value) && Number(value) >= low && Number(value) <= low + width).toBe(true);
        }
      }),
      { numRuns: 20 },
    );
  });

  it.each<[Record<string, unknown>, RegExp]>([
    [{ integer: [2, 1] }, /integer: The range goes from 2 down to 1/],
    [{ integer: [0, 2 ** 41] }, /integer: .*/],
    [{ number: [-1e308, 1e308] }, /wider than a number/],
    [{}, /exactly one of/],
    [{ integer: [1, 2], chance: 0.5 }, /exactly one of/],
    [{ chance: 1.5 }, /chance/],
    [{ choice: [] }, /choice/],
    [{ integer: [1, 2], decimals: 2 }, /`decimals` goes with `number`/],
  ])('refuses %j', (params, problem) => {
    expect(planOver(find('random'), { as: 'r', ...params }, []).problems.join('; ')).toMatch(problem);
  });
});

describe('select where a field says which list', () => {
  const params = { from: { by: 'kind', lists: { tea: 'teas', tool: 'tools', other: 'tools' } }, as: 'it' };
  const data = { teas: ['sencha', 'assam'], tools: ['hammer', 'saw', 'file'] };

  it('picks from that list alone, uniformly, and two values may name one list', async () => {
    const kinds = Array.from({ length: 300 }, (_, n) => ({ kind: ['tea', 'tool', 'other'][n % 3] ?? '' }));
    const outcomes = await runRows('select', params, kinds, data);
    const given = outcomes.map((outcome, n) => [kinds[n]?.kind, 'row' in outcome ? outcome.row['it'] : null]);
    for (const kind of ['tea', 'tool', 'other']) {
      const list: readonly string[] = kind === 'tea' ? data.teas : data.tools;
      const own = given.filter(([of]) => of === kind).map(([, it]) => it);
      for (const element of list) expect(own.filter((it) => it === element).length).toBeGreaterThan(100 / list.length / 2);
      expect(own.every((it) => list.includes(String(it)))).toBe(true);
    }
  });

  it('fails a record whose value has no list, and several elements are different ones', async () => {
    const [unknown, known] = await runRows('select', { ...params, pick: 2 }, [{ kind: 'Tea' }, { kind: 'tea' }], data);
    expect(unknown).toEqual({ failed: 'KEY_UNKNOWN' });
    expect(known).toMatchObject({ row: { kind: 'tea', it: expect.arrayContaining(['sencha', 'assam']) } });
  });
});
