/** Broken lists and maps of a workflow, and what `mizu check` says of each: a table of `bad-workflows.test.ts`. */
import { DATA_DEPTH_LIMIT } from '../../../engine/workflow/load-data-set.ts';
import { type Case, NO_SYNTAX, NO_UTF8, NO_UTF8_BUT_UTF16, utf16, withData } from './bad-workflow-cases.ts';

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
