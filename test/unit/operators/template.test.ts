/** Templates: what they mean, what is refused with its place (law 10), and that no record makes one run long (law 11). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runGoldenCase, type Row, type Schema, type Value } from '#engine';
import { engines, operators } from '#operators';
import { template } from '../../../operators/template/template.ts';
import { planOver } from './plan-context.ts';
import { runRows } from './run-rows.ts';

const SCHEMA: Schema = [
  { name: 'n', type: 'long' },
  { name: 'x', type: 'double' },
  { name: 'name', type: 'string' },
  { name: 'note', type: { optional: 'string' } },
  { name: 'on', type: 'boolean' },
  { name: 'tags', type: { array: 'string' } },
  { name: 'raw', type: 'bytes' },
  { name: 'who', type: { record: [{ name: 'voice', type: 'string' }] } },
  { name: 'people', type: { array: { record: [{ name: 'age', type: 'long' }] } } },
  { name: 'prices', type: { map: 'double' } },
];
const ROW: Row = {
  n: 3,
  x: 0.5,
  name: ' Ada  B ',
  note: null,
  on: true,
  tags: ['b', 'a'],
  raw: new Uint8Array([1]),
  who: { voice: 'a <clerk>' },
  people: [{ age: 7 }, { age: 36 }],
  prices: { tea: 2 },
};

async function written(text: string, row: Row = ROW): Promise<unknown> {
  const golden = { title: 't', params: { as: 'out', text }, schema: SCHEMA, input: [row], output: [] };
  const [outcome] = await runGoldenCase({ operators, engines }, template, golden);
  return outcome !== undefined && 'row' in outcome ? outcome.row['out'] : outcome;
}

describe('what a template writes', () => {
  it.each<[string, unknown]>([
    ['{{ name | trim | upper }}|{{ name | trim | lower }}', 'ADA  B|ada  b'],
    ['{{ note | default("none yet") }}, {{ name | default("x") | trim }}', 'none yet, Ada  B'],
    ['{{ tags | join }} {{ tags | join(" + ") }} {{ tags | length }} {{ "a😀" | length }} {{ prices | length }}', 'ba b + a 2 2 1'],
    ['{{ tags | first }}{{ tags | last }}', 'ba'],
    ['{{ who | tojson }} {{ note | tojson }} {{ people | tojson }}', '{"voice":"a \\u003cclerk\\u003e"} null [{"age":7},{"age":36}]'],
    ['{{ "it\'s & </record>" | tojson }}', '"it\\u0027s \\u0026 \\u003c/record\\u003e"'],
    [
      '{{ "one two three" | truncate(9) }}|{{ "one two three" | truncate(9, true, "…") }}|{{ "one" | truncate(3) }}',
      'one...|one two …|one',
    ],
    ['{{ "a.b" | replace(".", "$&") }} {{ " two words " | wordcount }}', 'a$&b 2'],
    ['{% if n > 2 and not note %}yes{% else %}no{% endif %}', 'yes'],
    ['{% if n == 1 %}1{% elif n >= 3 %}3{% else %}?{% endif %}', '3'],
    ['{% if "a" in tags and "z" not in tags and "da" in name and "tea" in prices %}in{% endif %}', 'in'],
    [
      '{% if name in ["x", "y"] or x < n %}or{% endif %}{% if note is none %} none{% endif %}{% if n is not none %} some{% endif %}',
      'or none some',
    ],
    ['{% if not (on and note) %}both{% endif %}{% if [] %}never{% endif %}', 'both'],
    ['{% for t in tags %}{{ loop.index }}/{{ loop.length }}{{ t }}{% if not loop.last %}, {% endif %}{% endfor %}', '1/2b, 2/2a'],
    ['{% for p in people %}{% for t in tags %}{{ p.age }}{{ t }}{{ loop.index0 }} {% endfor %}{% endfor %}', '7b0 7a1 36b0 36a1 '],
    ['{% for t in [] %}x{% else %}nobody{% endfor %}', 'nobody'],
    ['a {#- nothing {{ here }} -#} b {%- if on %} c {% endif -%} d', 'ab c d'],
    ['\\{{ name }} \\{% if %} \\{# x #} {%- if on -%} \n! {%- endif %}', '{{ name }} {% if %} {# x #}!'],
    ['{{ note }}', { failed: 'NULL_IN_TEMPLATE' }],
    ['{{ note | upper }}', { failed: 'NULL_IN_TEMPLATE' }],
  ])('%s', async (text, expected) => {
    expect(await written(text)).toEqual(expected);
  });

  it('a field may be called like a word of the language', async () => {
    const [outcome] = await runRows('template', { as: 't', text: '{{in}} {{ not }} {{for}}' }, [{ in: 'a', not: 'b', for: 'c' }]);
    expect(outcome).toMatchObject({ row: { t: 'a b c' } });
  });
});

describe('a wrong template is a problem with its line and column (law 10)', () => {
  it.each<[string, RegExp]>([
    ['{{n', /text: '{{' is never closed \(line 1, column 1 of the template\)/],
    ['a {{ n + 1 }}', /'\+' has no meaning here \(line 1, column 8/],
    ['{{nn}}', /no field 'nn'/],
    ['{{r}}{{who}}', /{{who}} is {voice: string}, which has no text form \(line 1, column 8/],
    ['{{raw}}', /which has no text form/],
    ['{{ raw | tojson }}', /'tojson' can't take bytes/],
    ['one\ntwo {{ name | uper }}', /no filter 'uper' \(line 2, column 15/],
    ['{{ n | upper }}', /'upper' can't take long/],
    ['{{ name | truncate("x") }}', /can't take string with \(string\)/],
    ['{{ name | join }}', /'join' can't take string/],
    ['{{ name | replace("a") }}', /given 1 arguments/],
    ['{% if on %}\n x', /'{% if %}' is never closed \(line 1, column 1/],
    ['{% for t in tags %}{% if on %}{% endfor %}', /'{% endfor %}' stands inside an open '{% if %}'/],
    ['{% endif %}', /ends nothing/],
    ['{% if on %}{% else %}{% else %}{% endif %}', /'{% else %}' stands inside/],
    ['{% set a = 1 %}', /no tag 'set' in templates/],
    ['{% include "x" %}', /no tag 'include'/],
    ['{{ name.upper() }}', /can call nothing/],
    ['{% for t in name %}{% endfor %}', /goes over a list, and this is string/],
    ['{% for t in tags %}{{ t.x }}{% endfor %}', /There is no 'x' in t/],
    ['{% for t in tags %}{{ loop.indx }}{% endfor %}', /There is no 'indx' in loop/],
    ['{{ loop.index }}', /no field 'loop/],
    ['{% if n == "3" %}{% endif %}', /'==' can't compare long with string/],
    ['{% if tags < tags %}{% endif %}', /can't compare/],
    ['{% if 1 in tags %}{% endif %}', /'in' can't compare/],
    ['{{ $source }}', /'\$' has no meaning/],
    ['{{ "a\\q" }}', /'\\q' is no escape/],
    [`${'{% if on %}'.repeat(40)}${'{% endif %}'.repeat(40)}`, /nested deeper than 32/],
    [`{{ ${'('.repeat(200)}n${')'.repeat(200)} }}`, /nested too deeply|nested deeper/],
  ])('%s', (text, problem) => {
    const planned = planOver(template, { as: 't', text }, SCHEMA);
    expect(planned.plans).toEqual([]);
    expect(planned.problems.join('; ')).toMatch(problem);
  });

  it('any text is a template or is refused, in short time', () => {
    const words = [
      '{{',
      '}}',
      '{%',
      '%}',
      '{#',
      '#}',
      '-',
      'if',
      'for',
      't',
      'in',
      'tags',
      'endif',
      'endfor',
      'else',
      'n',
      '|',
      'upper',
      '(',
      ')',
      '"',
      '\\',
      ' ',
      '\n',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words), { maxLength: 40 }), (parts) => {
        const { plans, problems } = planOver(template, { as: 't', text: parts.join(' ') }, SCHEMA);
        expect(plans.length > 0).toBe(problems.length === 0);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('programs from before there were tags', () => {
  it('a template of outputs alone has the parameters that it had, so its digest is the same', () => {
    expect(planOver(template, { as: 't', text: 'a {{n}} { b }' }, SCHEMA).plans[0]?.params).toEqual({ as: 't', text: 'a {{n}} { b }' });
    expect(planOver(template, { as: 't', text: '{{ name | upper }}' }, SCHEMA).plans[0]?.params).toMatchObject({ syntax: 'jinja' });
  });

  it('braces of tags and comments are plain text in them', async () => {
    const params = { as: 't', text: '{% if %} {# {{n}} #}' };
    const op = {
      id: 't',
      op: 'template',
      version: 1,
      kind: 'row',
      params,
      reads: ['n'],
      writes: [],
      data: [],
      onFail: 'drop',
      storage: 'local',
    } as const;
    const executor = await template.open(op, {} as never);
    const texts: string[] = [];
    if (!('execute' in executor)) throw new TypeError('a row op');
    const view = { rows: Uint32Array.of(0), value: () => 5 } as never;
    executor.execute(view, { setText: (_field: string, _row: number, text: string) => texts.push(text) } as never);
    expect(texts).toEqual(['{% if %} {# 5 #}']);
  });
});

it('braces that are escaped come out as they are, for any text', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('{', '}', '%', '#', '\\', 'a', '😀'), { maxLength: 12 }).map((parts) => parts.join('')),
      async (text) => {
        const escaped = text.replaceAll(/(\\*)(\{[{%#])/g, (_all, run: string, braces: string) => `${run}${run}\\${braces}`);
        const [outcome] = await runRows('template', { as: 't', text: escaped }, [{ n: 1 }]);
        expect(outcome).toEqual({ row: { n: 1, t: text } });
      },
    ),
    { numRuns: 300 },
  );
});

it('what `tojson` writes reads back as the value, on one line, and closes nothing around it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: 'binary' }).map((text) => text.toWellFormed())), async (tags) => {
      const text = await written('{{ tags | tojson }}', { ...ROW, tags });
      expect(JSON.parse(String(text))).toEqual(tags);
      expect(String(text)).not.toMatch(/[<>&'\n\r\u2028\u2029]/);
    }),
    { numRuns: 200 },
  );
});

describe('no record makes a template run long or large', () => {
  const many = (count: number): Row => ({ ...ROW, tags: Array.from({ length: count }, () => 'x'.repeat(2_000)) });
  const loops = '{% for a in tags %}{% for b in tags %}{% for c in tags %}{% if a == b %}{% endif %}{% endfor %}{% endfor %}{% endfor %}';
  it.each<[string, Row, string]>([
    [loops, many(200), 'TEMPLATE_TOO_LONG'],
    ['{% for a in tags %}{{ tags | join }}{% endfor %}', many(200), 'TEMPLATE_TOO_LARGE'],
    ['{{ name | replace("x", name) }}', { ...ROW, name: 'x'.repeat(1_000_000) }, 'TEMPLATE_TOO_LARGE'],
    ['{% for a in tags %}{% for b in tags %}{{ b }}{% endfor %}{% endfor %}', many(120), 'TEMPLATE_TOO_LARGE'],
    ['{{ name | replace("", name) | replace("x", name) }}', { ...ROW, name: 'x'.repeat(3_000) }, 'TEMPLATE_TOO_LARGE'],
  ])('%s', async (text, row, code) => {
    expect(await written(text, row)).toEqual({ failed: code });
  });
});

it('conditions agree with the same ones in JavaScript, for any values', async () => {
  const value = fc.integer({ min: -2, max: 2 });
  const text = fc.constantFrom('', 'a', 'A', 'é', '\ue000', '😀');
  const byCodePoint = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
  await fc.assert(
    fc.asyncProperty(value, value, text, text, async (n, x, name, tag) => {
      const shown = await written(
        '{% if n < x or name < note %}1{% endif %}{% if n != x and not name == note %}2{% endif %}{% if name in tags or n in [0, 1] %}3{% endif %}{% if name %}4{% endif %}',
        { ...ROW, n, x, name, note: tag, tags: [tag] as Value[] as string[] },
      );
      const expected = [
        n < x || byCodePoint(name, tag) < 0 ? '1' : '',
        n !== x && name !== tag ? '2' : '',
        name === tag || n === 0 || n === 1 ? '3' : '',
        name === '' ? '' : '4',
      ].join('');
      expect(shown).toBe(expected);
    }),
    { numRuns: 300 },
  );
});
