/** Weights that a step can't draw by, and what `mizu check` says of each: a table of `bad-workflows.test.ts`. */
import { type Case, HEAD } from './bad-workflow-cases.ts';

/** The weights stand in line 10, from column 23 on. */
const weighted = (weight: string, from = '{ by: kind, lists: { tea: teas, tool: tools } }'): string => `${HEAD}data:
  kinds: { list: [tea, tool] }
  teas: { list: [sencha, assam] }
  tools: { list: [hammer] }
generate:
  - select: { from: kinds, as: kind }
  - select: { weight: ${weight}, as: thing, from: ${from} }
`;

export const WEIGHTS: readonly Case[] = [
  [
    'below 0',
    weighted('{ tea: { sencha: -1, assam: 1 } }'),
    { at: 'w.yaml:10:40', message: "'sencha' is too small", value: '-1', expected: 'at least 0' },
  ],
  [
    'that are not finite',
    weighted('{ tea: { sencha: .inf, assam: 1 } }'),
    {
      at: 'w.yaml:10:40',
      message: ".inf can't be kept exactly",
      value: '.inf',
      expected: 'a finite number',
      try: 'put quotes around it to make it text',
    },
  ],
  [
    'that are texts',
    weighted('{ tea: { sencha: x, assam: 1 } }'),
    { at: 'w.yaml:10:40', message: "'sencha' is text", value: 'x', expected: 'a number' },
  ],
  [
    'that are all 0',
    weighted('{ tea: { sencha: 0, assam: 0 } }'),
    {
      at: 'w.yaml:10:30',
      message: "Every element of list 'tea' has weight 0: there is nothing to pick from",
      value: '{ sencha: 0, assam: 0 }',
      expected: 'a weight above 0',
    },
  ],
  [
    'for some elements only',
    weighted('{ tea: { sencha: 1 } }'),
    {
      at: 'w.yaml:10:30',
      message: "No weight for 'assam' of list 'tea'",
      value: '{ sencha: 1 }',
      expected: 'a weight for every element; 0 is never picked',
    },
  ],
  [
    'for an element that there is not',
    weighted('{ tea: { sencha: 1, assam: 1, asam: 1 } }'),
    { at: 'w.yaml:10:59', message: "There is no element 'asam' of list 'tea'", value: '1', try: "did you mean 'assam'?" },
  ],
  [
    'for a list that there is not',
    weighted('{ tee: { sencha: 1, assam: 1 } }'),
    {
      at: 'w.yaml:10:30',
      message: "There is no list for 'tee'",
      value: '{ sencha: 1, assam: 1 }',
      expected: 'a value that has a list: tea, tool',
      try: "did you mean 'tea'?",
    },
  ],
  [
    'of lists, which a field picks',
    weighted('{ tea: 3, tool: 1 }'),
    {
      at: 'w.yaml:10:30',
      message: "'tea' is a list, and 3 no weights of its elements",
      value: '3',
      expected: 'a weight for each element of the list: tea: { element: 3, other: 1 }',
    },
  ],
  [
    'in a field that texts have not',
    weighted('share'),
    {
      at: 'w.yaml:10:23',
      message: "Element 0 of list 'tea' has no weight in a field 'share'",
      value: 'share',
      expected: 'a number that is 0 or more in every element',
      try: 'give a map of weights: { tea: { name: 3, other: 1 } }',
    },
  ],
  [
    'by list, where there is one list',
    weighted('{ hammer: { a: 1 } }', 'tools'),
    {
      at: 'w.yaml:10:33',
      message: "The weight of 'hammer' is a map, and 'from' names one list",
      value: '{ a: 1 }',
      expected: 'a number',
      try: 'weights by list go with `from: { by: field, lists: … }`',
    },
  ],
];
