/** Broken workflow files, and what `mizu check` says of each: the table of `bad-workflows.test.ts`. */
import { DATA_DEPTH_LIMIT } from '../../../engine/workflow/load-data-set.ts';
import { YAML_ALIAS_LIMIT, YAML_DEPTH_LIMIT, YAML_LIMIT } from '../../../engine/workflow/yaml-document.ts';

/** A small workflow that is right. */
export const HEAD = 'mizu: 1\nname: w\nbudget: { candidates: 10 }\n';
export const STEPS = 'generate:\n  - random: { as: n, integer: [1, 6] }\n';
/** The data stand in line 5, at column 19 behind their kind. */
const withData = (data: string, steps = '  - select: { from: things, as: thing }\n'): string =>
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
const utf16 = (text: string): Uint8Array => Buffer.from(`\uFEFF${text}`, 'utf16le');

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
];

const EMPTY: Answer = {
  at: 'w.yaml:1:1',
  message: 'The workflow is empty',
  expected: 'a map with mizu, name, generate, verify, …',
  try: '`mizu init` writes a workflow to start from',
};
const NO_UTF8: Omit<Answer, 'at'> = {
  message: 'The text is not UTF-8',
  expected: 'text saved as UTF-8',
  try: 'convert it, for example with `iconv -f latin1 -t utf-8`',
};
const NO_UTF8_BUT_UTF16: Omit<Answer, 'at'> = { ...NO_UTF8, try: 'convert it, for example with `iconv -f utf-16 -t utf-8`' };
const NO_SYNTAX = 'check indentation, brackets and quotes here and in the line before';
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

const READ_AS_LIST = { expected: '.txt, .yaml, .json or .csv' };
const ONE_ELEMENT = { expected: 'at least one element', try: 'add an element, or take the data set out' };
const STRICT_JSON = { try: 'strict JSON: no comments, no trailing commas, no repeated keys' };
const WHOLE_CSV = {
  expected: 'RFC 4180 with a header line',
  try: 'give every row as many fields as the header, and put quotes around fields that hold commas, quotes or line ends',
};
const OWN_NAMES = { expected: 'a name for each column, and no two the same', try: 'rename it in the first line' };

export const DATA: readonly Case[] = [
  [
    'is not there',
    withData('list: no.txt'),
    {
      at: 'w.yaml:5:19',
      message: 'Cannot read no.txt: there is no such file',
      value: 'no.txt',
      try: 'paths are relative to the workflow file',
    },
  ],
  [
    'is a folder',
    withData('list: l.txt'),
    {
      at: 'w.yaml:5:19',
      message: 'Cannot read l.txt: it is a folder, not a file',
      value: 'l.txt',
      try: 'paths are relative to the workflow file',
    },
    { 'l.txt/in': '' },
  ],
  [
    'is of an unknown kind',
    withData('list: l.xml'),
    { at: 'w.yaml:5:19', message: "A list can't be read from 'l.xml'", value: 'l.xml', ...READ_AS_LIST },
  ],
  [
    'is text for a map',
    withData('map: l.txt'),
    { at: 'w.yaml:5:18', message: "A map can't be read from 'l.txt'", value: 'l.txt', expected: '.yaml or .json' },
  ],
  ['is not UTF-8', withData('list: l.txt'), { at: 'l.txt:2:2', ...NO_UTF8 }, { 'l.txt': Uint8Array.from([97, 10, 98, 0xe9, 10]) }],
  ['is UTF-16', withData('list: l.txt'), { at: 'l.txt:1:1', ...NO_UTF8_BUT_UTF16 }, { 'l.txt': utf16('a\nb\n') }],
  ['is empty', withData('list: l.txt'), { at: 'l.txt', message: 'The list is empty', ...ONE_ELEMENT }, { 'l.txt': ' \n\n' }],
  ['is nothing written in place', withData('list: []'), { at: 'w.yaml:5:19', message: 'The list is empty', value: '[]', ...ONE_ELEMENT }],
  ['is an empty map', withData('map: {}'), { at: 'w.yaml:5:18', message: 'The map is empty', value: '{}', ...ONE_ELEMENT }],
  [
    'is a map for a list',
    withData('list: l.yaml'),
    { at: 'l.yaml', message: 'The list is a map', expected: 'a list', try: 'write `map:` instead of `list:`' },
    { 'l.yaml': 'a: 1\n' },
  ],
  [
    'mixes kinds',
    withData('list: l.yaml'),
    {
      at: 'l.yaml:3:3',
      message: 'Elements of the list are of different kinds: text and number',
      value: '3',
      expected: 'the same kind of value everywhere',
      try: 'put quotes around numbers that are meant as text',
    },
    { 'l.yaml': '- a\n- b\n- 3\n' },
  ],
  [
    'is nested too deep',
    withData('list: l.json'),
    {
      at: 'l.json',
      message: 'Elements of the list are nested too deep',
      expected: `at most ${DATA_DEPTH_LIMIT} levels`,
      try: 'write flatter elements: a record of texts and numbers',
    },
    { 'l.json': `${'['.repeat(DATA_DEPTH_LIMIT + 2)}${']'.repeat(DATA_DEPTH_LIMIT + 2)}` },
  ],
  [
    'holds itself',
    withData('list: l.yaml'),
    {
      at: 'l.yaml:1:8',
      message: "The alias '*l' stands inside what it names",
      value: '*l',
      expected: 'an alias of something that ends above it',
      try: 'write the value itself, or move `&l` to a part that this alias is not in',
    },
    { 'l.yaml': '&l [a, *l]\n' },
  ],
  [
    'is not YAML',
    withData('list: l.yaml'),
    { at: 'l.yaml:3:1', message: /^Not YAML: Flow sequence/, try: NO_SYNTAX },
    { 'l.yaml': '- a\n- [b\n' },
  ],
  [
    'is not JSON',
    withData('list: l.json'),
    { at: 'l.json', message: /^Not JSON: .*line 1, column 6/, ...STRICT_JSON },
    { 'l.json': '["a",]' },
  ],
  [
    'is JSON without an end',
    withData('list: l.json'),
    { at: 'l.json', message: /^Not JSON: .*nested deeper than 128/, ...STRICT_JSON },
    { 'l.json': '['.repeat(200_000) },
  ],
  [
    'is CSV with a short row',
    withData('list: l.csv'),
    { at: 'l.csv:2', message: /^Not CSV: .*got 1/, ...WHOLE_CSV },
    { 'l.csv': 'a,b\n1\n' },
  ],
  [
    'is CSV with an open quote',
    withData('list: l.csv'),
    { at: 'l.csv:2', message: /^Not CSV: Quote/, ...WHOLE_CSV },
    { 'l.csv': 'a,b\n"1,2' },
  ],
  [
    'has two columns of one name',
    withData('list: l.csv'),
    { at: 'l.csv:1:1', message: "Two columns have the name 'a'", value: 'a,b,a', ...OWN_NAMES },
    { 'l.csv': 'a,b,a\n1,2,3\n' },
  ],
  [
    'has a column that no record can have',
    withData('list: l.csv'),
    { at: 'l.csv:1:1', message: "'__proto__' can't be the name of a column", value: '__proto__,b', ...OWN_NAMES },
    { 'l.csv': '__proto__,b\n1,2\n' },
  ],
];
