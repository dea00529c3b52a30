import type { Schema } from '#engine';
import { describe, expect, it } from 'vitest';
import { CelFault, LOOK_LIMIT, SIZE_LIMIT, STEP_LIMIT } from '../../../operators/cel-meter.ts';
import { compileCel } from '../../../operators/cel.ts';
import { operators } from '#operators';
import { planOver } from './plan-context.ts';
import { runRows } from './run-rows.ts';

const schema: Schema = [
  { name: 'type', type: 'string' },
  { name: 'n', type: 'long' },
  { name: 'x', type: 'double' },
  { name: 'tags', type: { array: 'string' } },
  {
    name: 'p',
    type: {
      record: [
        { name: 'age', type: 'long' },
        { name: 'voice', type: { optional: 'string' } },
      ],
    },
  },
  { name: 'o', type: { optional: 'long' } },
];
const row = { type: ' Héllo\u00a0', n: 3, x: 1.5, tags: ['a', '😀'], p: { age: 4, voice: null }, o: null };
const evaluate = (source: string): unknown => compileCel(source, schema).evaluate(row).value;

describe('CEL', () => {
  it.each<[string, unknown]>([
    ['n + 1', 4n],
    ['x > 1 && n < 3.5', true],
    ['type.trim().lowerAscii()', 'héllo'],
    ['"ÀZ".lowerAscii() + "àz".upperAscii()', 'ÀzàZ'],
    ['size(tags[1])', 1n],
    ['tags.exists(t, t == "😀") && !tags.all(t, t == "a")', true],
    ['tags.filter(t, t != "a").map(t, t + t)', ['😀😀']],
    ['p.age + n', 7n],
    ['p.voice == null && o == null', true],
    ['type.matches("^.H.llo.$")', true],
    ['string(n) + string(x) + string(true)', '31.5true'],
    ['n % 0 == 1 || n == 3', true],
    ['has(p.age) ? "yes" : "no"', 'yes'],
    ['{"a": n}.a', 3n],
    ['int(x) + int("2")', 3n],
    ['[1, 2].map(n, n * 2)', [2n, 4n]],
  ])('%s', (source, value) => {
    expect(evaluate(source)).toEqual(value);
  });

  it.each([
    ['now()', /no function 'now'/],
    ['timestamp("2024-01-01T00:00:00Z").getHours("Asia/Tokyo") == 1', /no function 'getHours'/],
    ['duration("1s") == duration("1s")', /no function 'duration'/],
    ['type.substring(1)', /no function 'substring'/],
    ['google.protobuf.Timestamp == 1', /Unknown variable: google/],
    ['cel.bind(a, 1, a) == 1', /no function 'bind'/],
    ['nosuch > 1', /Unknown variable: nosuch/],
    ['x + n > 1.0', /no such overload: double \+ int/],
    ['p.agee > 1', /No field 'agee'; the record has: age, voice/],
    ['type.matches(tags[0])', /literal RE2 pattern/],
    ['type.matches("(a")', /missing/],
    ['n >', /./],
    [`"${'a'.repeat(5000)}" == type`, /longer than 4000/],
  ])('refuses before the run: %s', (source, message) => {
    expect(() => compileCel(source, schema)).toThrow(message);
  });

  it.each(['10 / (n - 3) > 1', 'tags[7] == "a"', 'int(type) > 1', 'o > 1'])("an evaluation error is the record's fault: %s", (source) => {
    expect(() => evaluate(source)).toThrow(CelFault);
  });

  it('a field is a field, also when CEL has a type or function of its name', () => {
    const names = ['int', 'string', 'map', 'size', 'cel', 'google', 'list'];
    for (const name of names) {
      expect(compileCel(`${name} == "x" && size(${name}) == 1`, [{ name, type: 'string' }]).evaluate({ [name]: 'x' }).value).toBe(true);
    }
  });

  it('evaluation ends at the limit of steps, even where errors are absorbed', () => {
    const ten = '[1,2,3,4,5,6,7,8,9,10]';
    const nested = ['a', 'b', 'c', 'd', 'e', 'f'].reduceRight((inner, name) => `${ten}.all(${name}, ${inner})`, 'a + f > 0');
    expect(() => evaluate(`${nested} || true`)).toThrow(`more than ${STEP_LIMIT} steps`);
  });

  it.each(['!has(p.age)', 'p.age', 'e', 'true', '-e'])('every iteration is counted, also of %s', (inner) => {
    const ten = '[1,2,3,4,5,6,7,8,9,10]';
    const hundred = compileCel(`${ten}.map(d, ${ten}.map(e, ${inner}))`, schema).evaluate(row);
    expect(hundred.steps).toBeGreaterThanOrEqual(100);
    const million = ['a', 'b', 'c', 'd', 'f', 'e'].reduceRight((body, name) => `${ten}.map(${name}, ${body})`, inner);
    expect(() => evaluate(million)).toThrow(`more than ${STEP_LIMIT} steps`);
  });

  it('the sum of all intermediate texts is bounded too', () => {
    const big = `["aaaaaaaaaaaaaaaa"]${'.map(s, s + s)'.repeat(15)}`;
    const hundred = `[${Array.from({ length: 100 }, (_, n) => n).join(',')}]`;
    expect(() => evaluate(`${big}.map(s, ${hundred}.map(n, s + string(n)))`)).toThrow(`more than ${STEP_LIMIT} steps`);
  });

  it('an intermediate text can not grow beyond the limit', () => {
    expect(() => evaluate(`["aaaaaaaaaaaaaaaa"]${'.map(s, s + s)'.repeat(40)}`)).toThrow(`more than ${SIZE_LIMIT} units`);
  });

  it('work that no step shows is bounded: large values that are looked at in a loop', () => {
    const fields: Schema = [
      { name: 'body', type: 'string' },
      { name: 'tags', type: { array: 'string' } },
      { name: 'maps', type: { map: { array: 'string' } } },
    ];
    const large = {
      body: 'x'.repeat(8_000_000),
      tags: Array.from({ length: 50_000 }, (_, n) => `tag ${n}`),
      maps: { a: ['y'.repeat(8_000_000)] },
    };
    for (const source of [
      'tags.all(t, size(body) > 0)',
      '!tags.exists(t, body.contains(t + "!"))',
      'tags.all(t, t in tags)',
      'tags.all(t, maps == maps)',
      'tags.all(t, size(maps.a) == 1)',
    ]) {
      expect(() => compileCel(source, fields).evaluate(large), source).toThrow(`more than ${LOOK_LIMIT} characters`);
    }
    expect(compileCel('size(body) == 8000000 && tags[7].startsWith("tag")', fields).evaluate(large).value).toBe(true);
  });

  it.each([
    ['(', 1900, 'true', ')'],
    ['!', 3990, 'true', ''],
    ['-', 3990, 'n', ''],
    ['[', 1900, '', ']'],
    ['tags.all(a, ', 300, 'true', ')'],
    ['1+', 1900, '1', ''],
    ['n', 1900, '', '.n'],
  ])('what is nested too deep or too long is refused: %s × %i', (open, times, middle, close) => {
    expect(() => compileCel(open.repeat(times) + middle + close.repeat(times), schema)).toThrow(/Exceeded max(Depth|AstNodes)|longer than/);
  });

  it('steps are the same each time', () => {
    const compiled = compileCel('tags.map(t, t + type).size() > n', schema);
    expect(compiled.evaluate(row).steps).toBe(compiled.evaluate(row).steps);
    expect(compiled.evaluate(row).steps).toBeGreaterThan(2);
  });
});

describe('expression and set', () => {
  const of = (name: string) => operators.find((operator) => operator.name === name) ?? operators[0];

  it('an unknown field is found at compile time, with the nearest name', () => {
    const operator = of('expression');
    const planned = operator === undefined ? undefined : planOver(operator, { keep: 'tag.size() > 1' }, schema);
    expect(planned?.plans).toEqual([]);
    expect(planned?.problems[0]).toMatch(/^keep: .*Unknown variable: tag/);
    expect(planned?.hints[0]).toContain('tags');
  });

  it('a rule must be true or false', () => {
    const operator = of('expression');
    expect(operator && planOver(operator, { keep: 'n + 1' }, schema).problems).toEqual(['keep: The expression gives int']);
  });

  it('reads only the fields that it names', () => {
    const operator = of('expression');
    expect(operator && planOver(operator, { keep: 'tags.exists(n, n == "a") && x > 0' }, schema).plans[0]?.reads).toEqual(['x', 'tags']);
  });

  it('a result beyond the whole numbers of a record fails it', async () => {
    const outcomes = await runRows('set', { as: 'y', value: 'n * 4503599627370496' }, [{ n: 1 }, { n: 2 }]);
    expect(outcomes).toEqual([{ row: { n: 1, y: 2 ** 52 } }, { failed: 'EXPRESSION_ERROR' }]);
  });

  it('a declared type is kept, also where CEL leaves it open', async () => {
    expect(await runRows('set', { as: 'y', value: 'p.voice', type: 'string' }, [{ p: { voice: 'dry' } }])).toEqual([
      { row: { p: { voice: 'dry' }, y: 'dry' } },
    ]);
    expect(await runRows('set', { as: 'y', value: 'n', type: 'double' }, [{ n: 2 }])).toEqual([{ row: { n: 2, y: 2 } }]);
    const operator = of('set');
    expect(operator && planOver(operator, { as: 'y', value: 'n', type: 'string' }, schema).problems).toEqual([
      'type: The expression gives int, which is never string',
    ]);
  });
});
