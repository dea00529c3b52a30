/** Broken workflow files, and what `mizu check` says of each: the table of `bad-workflows.test.ts`. Those of its data stand in `bad-data-cases.ts`. */
import { WHOLE_FILE_LIMIT_BYTES } from '../../../topologies/host.ts';
import { YAML_ALIAS_LIMIT, YAML_DEPTH_LIMIT, YAML_LIMIT } from '../../../engine/workflow/yaml-document.ts';

/** A small workflow that is right. */
export const HEAD = 'mizu: 1\nname: w\nbudget: { candidates: 10 }\n';
export const STEPS = 'generate:\n  - random: { as: n, integer: [1, 6] }\n';
/** The data stand in line 5, at column 19 behind their kind. */
export const withData = (data: string, steps = '  - select: { from: things, as: thing }\n'): string =>
  `${HEAD}data:\n  things: { ${data} }\ngenerate:\n${steps}`;

type Files = Readonly<Record<string, string | Uint8Array>>;

export interface Answer {
  /** `file:line:column`, or the file where it has no lines. */
  readonly at: string;
  readonly message: string | RegExp;
  /** As the line `value` shows it; none where the message does. */
  readonly value?: string;
  readonly expected?: string;
  readonly try?: string;
}

export type Case = readonly [what: string, workflow: string | Uint8Array, answer: Answer, files?: Files];

const YAML_BOMB = `a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n${Array.from({ length: 9 }, (_, n) => `a${n + 1}: &a${n + 1} [${`*a${n},`.repeat(10)}]\n`).join('')}`;
export const utf16 = (text: string): Uint8Array => Buffer.from(`\uFEFF${text}`, 'utf16le');

export const NO_SYNTAX = 'check indentation, brackets and quotes here and in the line before';

export const WORKFLOWS: readonly Case[] = [
  [
    'a text for a number',
    `${HEAD}task: { size: big }\n${STEPS}`,
    { at: 'w.yaml:4:15', message: "'size' is text", value: 'big', expected: 'a whole number, at least 1' },
  ],
  [
    'a number for a map',
    `mizu: 1\nname: w\nbudget: 10\n${STEPS}`,
    { at: 'w.yaml:3:9', message: "'budget' is a number", value: '10', expected: 'a map' },
  ],
  [
    'a key that there is not',
    `${HEAD}nodse: 4\n${STEPS}`,
    { at: 'w.yaml:4:1', message: "Unknown key 'nodse'", value: 'nodse', try: "did you mean 'nodes'?" },
  ],
  [
    'an operator that there is not',
    `${HEAD}${STEPS}verify:\n  - lenght: { field: n }\n`,
    { at: 'w.yaml:7:5', message: "Unknown operator 'lenght'", try: "did you mean 'length'?" },
  ],
  [
    'a parameter that there is not',
    `${HEAD}${STEPS}verify:\n  - length: { feild: n }\n`,
    { at: 'w.yaml:7:15', message: "Unknown key 'feild'", value: 'feild', try: "did you mean 'field'?" },
  ],
  [
    'a template of a field that there is not',
    withData('list: [a]', '  - select: { from: things, as: thing }\n  - template: { as: text, text: "About {{thign}}." }\n'),
    {
      at: 'w.yaml:8:33',
      message: "There is no field 'thign' at this step (line 1, column 9 of the template)",
      value: 'thign',
      try: "did you mean 'thing'?",
    },
  ],
  [
    'steps that need each other',
    `${HEAD}generate:\n  - template: { as: a, text: "{{b}}" }\n  - template: { as: b, text: "{{a}}" }\n`,
    {
      at: 'w.yaml:5:30',
      message: "There is no field 'b' at this step (line 1, column 3 of the template)",
      value: 'b',
      try: 'no step before this one makes a field',
    },
  ],
  [
    'data that are not declared',
    `${HEAD}generate:\n  - select: { from: things, as: thing }\n`,
    {
      at: 'w.yaml:5:21',
      message: "There is no list or map 'things' under `data`",
      value: 'things',
      try: 'declare it: `data: { things: { list: … } }`',
    },
  ],
  [
    'data that hold themselves',
    withData('list: &l [a, *l]'),
    {
      at: 'w.yaml:5:26',
      message: "The alias '*l' stands inside what it names",
      value: '*l',
      expected: 'an alias of something that ends above it',
      try: 'write the value itself, or move `&l` to a part that this alias is not in',
    },
  ],
  [
    'more to accept than there are candidates',
    `accept: 11\n${HEAD}${STEPS}`,
    {
      at: 'w.yaml:1:9',
      message: "11 records can't be accepted out of 10 candidates",
      value: '11',
      expected: 'accept ≤ budget.candidates',
      try: 'raise budget.candidates, or lower accept',
    },
  ],
  [
    'two steps of one id',
    `${HEAD}${STEPS}  - random: { as: n, integer: [1, 2] }\n`,
    { at: 'w.yaml:6:5', message: "Two steps have the id 'n'", try: 'the first is in line 5; give one of them an `id` of its own' },
  ],
  [
    'a key twice',
    `${HEAD}name: v\n${STEPS}`,
    { at: 'w.yaml:4:1', message: "The key 'name' stands twice in this map", value: 'name', try: 'the first is in line 2; remove one' },
  ],
  [
    'data of one name',
    withData('list: [a] }\n  things: { list: [b]'),
    { at: 'w.yaml:6:3', message: "The key 'things' stands twice in this map", value: 'things', try: 'the first is in line 5; remove one' },
  ],
  // Found by `npm run fuzz -- --files 100000 --seed 1`.
  [
    'half a character of an expression',
    `${HEAD}${STEPS}verify:\n  - expression: { keep: "n > 😀" }\n`,
    {
      at: 'w.yaml:7:25',
      message: /^Not a CEL expression over this record: Unexpected character: \uFFFD/,
      value: '"n > 😀"',
      expected: 'CEL, for example: score >= 3 && !body.contains("TODO")',
    },
  ],
  [
    'a character with no meaning in a template',
    withData('list: [a]', '  - select: { from: things, as: thing }\n  - template: { as: text, text: "{% if 😀 %}" }\n'),
    {
      at: 'w.yaml:8:33',
      message: "'😀' stands where a value was expected (line 1, column 7 of the template)",
      value: '"{% if 😀 %}"',
      try: '`mizu operators NAME` shows the parameters of a step, and examples',
    },
  ],
  [
    'an escape of half a character',
    `${HEAD}description: "\\😀"\n${STEPS}`,
    { at: 'w.yaml:4:15', message: 'Not YAML: Invalid escape sequence \\\uFFFD', try: NO_SYNTAX },
  ],
  [
    'a name beside long ones',
    `${HEAD}data:\n${Array.from({ length: 20 }, (_, n) => `  ${'x'.repeat(200)}${n}: { list: [a] }\n`).join('')}generate:\n  - select: { from: things, as: thing }\n`,
    {
      at: 'w.yaml:26:21',
      message: "There is no list or map 'things' under `data`",
      value: 'things',
      try: `data: ${Array.from({ length: 20 }, (_, n) => `${'x'.repeat(200)}${n}`).join(', ')}`.slice(0, 999).concat('…'),
    },
  ],
  [
    'data that hold themselves many times',
    withData(`list: &l [${'a, '.repeat(300)}${'*l, '.repeat(300)}]`),
    {
      at: 'w.yaml:5:923',
      message: "The alias '*l' stands inside what it names",
      value: '*l',
      expected: 'an alias of something that ends above it',
      try: 'write the value itself, or move `&l` to a part that this alias is not in',
    },
  ],
  [
    'a schema in a file without an end',
    `${HEAD}models: { m: { url: "http://127.0.0.1:1/v1" } }\ngenerate:\n  - inference: { as: a, model: m, prompt: p, schema: /dev/zero }\n`,
    {
      at: 'w.yaml:6:54',
      message: `Cannot read /dev/zero: it holds more than ${WHOLE_FILE_LIMIT_BYTES} bytes`,
      value: '/dev/zero',
      try: 'large data is a source: read it with the first generate step',
    },
  ],
];

const EMPTY: Answer = {
  at: 'w.yaml:1:1',
  message: 'The workflow is empty',
  expected: 'a map with mizu, name, generate, verify, …',
  try: '`mizu init` writes a workflow to start from',
};
export const NO_UTF8: Omit<Answer, 'at'> = {
  message: 'The text is not UTF-8',
  expected: 'text saved as UTF-8',
  try: 'convert it, for example with `iconv -f latin1 -t utf-8`',
};
export const NO_UTF8_BUT_UTF16: Omit<Answer, 'at'> = { ...NO_UTF8, try: 'convert it, for example with `iconv -f utf-16 -t utf-8`' };
const FLATTER = 'write it flatter, or close the brackets that are open';
const TOO_LONG = {
  expected: `at most ${YAML_LIMIT}, which ends here`,
  try: 'put long lists into .txt or .json files and name them under `data`',
};

export const TEXTS: readonly Case[] = [
  ['nothing', '', EMPTY],
  ['nothing but a comment', '# later\n', EMPTY],
  ['a list', '- a\n', { ...EMPTY, message: 'The workflow is a list', value: '- a' }],
  [
    'two documents',
    `${HEAD}${STEPS}---\n${HEAD}${STEPS}`,
    {
      at: 'w.yaml:6:1',
      message: 'The file holds more than one YAML document',
      expected: 'one document',
      try: "keep one, and remove the line '---' and what stands on the other side of it",
    },
  ],
  [
    'tabs',
    `${HEAD}task:\n\tsize: 4\n${STEPS}`,
    {
      at: 'w.yaml:5:1',
      message: 'Not YAML: Tabs are not allowed as indentation',
      expected: 'spaces',
      try: 'put spaces in the place of the tabs',
    },
  ],
  ['an open quote', `${HEAD}description: "a\n`, { at: 'w.yaml:5:1', message: 'Not YAML: Missing closing "quote', try: NO_SYNTAX }],
  [
    'a byte order mark in the middle',
    `${HEAD}\uFEFFseed: 1\n${STEPS}`,
    { at: 'w.yaml:4:1', message: "Unknown key '\uFFFDseed'", value: '\uFFFDseed', try: "did you mean 'seed'?" },
  ],
  ['binary', Uint8Array.from({ length: 500 }, (_, n) => (n * 37) % 256), { at: 'w.yaml:1:5', ...NO_UTF8 }],
  ['UTF-16', utf16(`${HEAD}${STEPS}`), { at: 'w.yaml:1:1', ...NO_UTF8_BUT_UTF16 }],
  [
    '10 MB of comment',
    `${HEAD}${STEPS}#${'x'.repeat(10_000_000)}\n`,
    { at: 'w.yaml:6:1048485', message: 'The file holds 10000094 characters', ...TOO_LONG },
  ],
  [
    '10 MB of list',
    withData(`list: [${'item, '.repeat(1_700_000)}]`),
    { at: 'w.yaml:5:1048528', message: 'The file holds 10200122 characters', ...TOO_LONG },
  ],
  [
    'aliases that multiply',
    `${HEAD}${STEPS}${YAML_BOMB}`,
    {
      at: 'w.yaml:7:18',
      message: 'Too many aliases',
      value: '*a0',
      expected: `at most ${YAML_ALIAS_LIMIT}, those inside others counted each time`,
      try: 'aliases of aliases multiply; put long lists into files of their own',
    },
  ],
  [
    'nesting without an end',
    `${HEAD}description: ${'['.repeat(100_000)}\n`,
    { at: 'w.yaml:4:', message: 'Nested too deep', expected: `at most ${YAML_DEPTH_LIMIT} levels`, try: FLATTER },
  ],
  [
    'nesting that can be read',
    `${HEAD}description: ${'['.repeat(YAML_DEPTH_LIMIT + 2)}${']'.repeat(YAML_DEPTH_LIMIT + 2)}\n${STEPS}`,
    {
      at: 'w.yaml:4:78',
      message: 'Nested too deep',
      value: '[[]]',
      expected: `at most ${YAML_DEPTH_LIMIT} levels, aliases followed`,
      try: FLATTER,
    },
  ],
];
