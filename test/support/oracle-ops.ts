/**
 * What each step does to one record, written as plainly as its documentation says it: strings, spreads and loops, no bytes, no columns,
 * nothing of the operators' code. Only draws come from the engine, since they are the specification.
 */
import { seededDraws } from '../../engine/datavm/draws.ts';
import { plainSaying } from './plain-model.ts';

export type PlainValue = string | number | boolean | null | readonly PlainValue[];
export type PlainRow = { readonly [field: string]: PlainValue };
export type PlainParams = { readonly [name: string]: PlainValue | { readonly [name: string]: PlainValue } };

export interface PlainStep {
  readonly op: string;
  readonly id: string;
  readonly params: PlainParams;
  readonly flag: boolean;
}

export type Verdict =
  | { readonly kind: 'kept'; readonly row: PlainRow }
  | {
      readonly kind: 'rejected';
      readonly measured?: string | number;
      readonly limit?: string | number;
      /** What a flagged record becomes; default: it stays. */
      readonly row?: PlainRow;
    }
  | { readonly kind: 'failed'; readonly code: string };

export interface OpContext {
  readonly seed: number | string;
  readonly data: { readonly [name: string]: readonly PlainValue[] };
  /** Candidate in the run. */
  readonly candidate: number;
}

type PlainOp = (row: PlainRow, step: PlainStep, context: OpContext) => Verdict;

const kept = (row: PlainRow, changes: PlainRow = {}): Verdict => ({ kind: 'kept', row: { ...row, ...changes } });
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const number = (value: unknown): number => (typeof value === 'number' ? value : 0);

/** Reports hold at most 80 UTF-16 units, the last one an ellipsis. */
function shortened(whole: string): string {
  if (whole.length <= 80) return whole;
  let short = '';
  for (const character of whole) {
    if (short.length + character.length > 79) break;
    short += character;
  }
  return `${short}…`;
}

const WHITE = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/gu;

const MEASURES: { readonly [unit: string]: (value: PlainValue) => number } = {
  bytes: (value) => Buffer.byteLength(text(value)),
  codepoints: (value) => [...text(value)].length,
  words: (value) =>
    text(value)
      .split(WHITE)
      .filter((word) => word !== '').length,
  lines: (value) => text(value).split('\n').length - (text(value) === '' || text(value).endsWith('\n') ? 1 : 0),
  items: (value) => (Array.isArray(value) ? value.length : 0),
};

/** A CEL condition and what it means; undefined: its evaluation fails. */
export interface Condition {
  readonly cel: string;
  readonly reads: readonly string[];
  readonly holds: (row: PlainRow) => boolean | undefined;
}

export const CONDITIONS: readonly Condition[] = [
  { cel: 'n >= 3', reads: ['n'], holds: (row) => number(row['n']) >= 3 },
  { cel: 'size(body) <= 4', reads: ['body'], holds: (row) => [...text(row['body'])].length <= 4 },
  { cel: '!body.contains("a")', reads: ['body'], holds: (row) => !text(row['body']).includes('a') },
  { cel: '12 / n > 3', reads: ['n'], holds: (row) => (row['n'] === 0 ? undefined : Math.trunc(12 / number(row['n'])) > 3) },
  { cel: 'x < 1.5 || n > 2', reads: ['n', 'x'], holds: (row) => number(row['x']) < 1.5 || number(row['n']) > 2 },
  {
    cel: 'n % 2 == 0 && !body.startsWith("x")',
    reads: ['body', 'n'],
    holds: (row) => number(row['n']) % 2 === 0 && !text(row['body']).startsWith('x'),
  },
  { cel: 'size(flags) == 0', reads: ['flags'], holds: (row) => Array.isArray(row['flags']) && row['flags'].length === 0 },
];

/** A CEL value and what it means; undefined: its evaluation fails. */
export interface Computation {
  readonly as: string;
  readonly cel: string;
  readonly make: (row: PlainRow) => PlainValue | undefined;
}

export const COMPUTATIONS: readonly Computation[] = [
  { as: 'n', cel: 'n * 2', make: (row) => number(row['n']) * 2 },
  { as: 'm', cel: 'n + 1', make: (row) => number(row['n']) + 1 },
  { as: 'body', cel: 'body + "!"', make: (row) => `${text(row['body'])}!` },
  { as: 'body', cel: 'body.lowerAscii()', make: (row) => text(row['body']).replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()) },
  { as: 'label', cel: 'n > 2 ? "big" : "small"', make: (row) => (number(row['n']) > 2 ? 'big' : 'small') },
  { as: 'x', cel: 'x / 2.0', make: (row) => number(row['x']) / 2 },
  { as: 'ratio', cel: '12 / n', make: (row) => (row['n'] === 0 ? undefined : Math.trunc(12 / number(row['n']))) },
];

/** A script and what it means. */
export interface PlainScript {
  readonly code: string;
  readonly writes: { readonly [field: string]: string };
  readonly judge: (row: PlainRow) => Verdict;
}

export const SCRIPTS: readonly PlainScript[] = [
  {
    code: 'let asked = 0;\nexport default record => { asked++; return record.n + asked > 3; };',
    writes: {},
    judge: (row) => (number(row['n']) + 1 > 3 ? kept(row) : { kind: 'rejected' }),
  },
  {
    code: '(record, drop) => record.n < 0 ? drop(record.n, "at least 0") : { ...record, body: record.body + "#" }',
    writes: { body: 'string' },
    judge: (row) =>
      number(row['n']) < 0
        ? { kind: 'rejected', measured: number(row['n']), limit: 'at least 0' }
        : kept(row, { body: `${text(row['body'])}#` }),
  },
  {
    code: '({ n, body }) => { const deep = () => deep(); if (n === 2) deep(); if (n === 1) throw new Error(body); return n > 2 ? { remark: body } : undefined; }',
    writes: { remark: 'string?' },
    judge: (row) => {
      if (row['n'] === 2) return { kind: 'failed', code: 'SCRIPT_DEPTH' };
      if (row['n'] === 1) return { kind: 'failed', code: 'SCRIPT_ERROR' };
      return kept(row, { remark: number(row['n']) > 2 ? text(row['body']) : (row['remark'] ?? null) });
    },
  },
];

function select(row: PlainRow, { id, params }: PlainStep, { seed, data, candidate }: OpContext): Verdict {
  const as = text(params['as']);
  const elements = data[text(params['from'])] ?? [];
  const draws = seededDraws(seed, id);
  if (params['each'] === true) {
    const order = elements.map((_, index) => index);
    const round = Math.floor(candidate / elements.length);
    for (let last = order.length - 1; last > 0; last--) {
      const other = draws.below(last + 1, round, `${as}/each`, last);
      [order[last], order[other]] = [number(order[other]), number(order[last])];
    }
    return kept(row, { [as]: elements[number(order[candidate % elements.length])] ?? null });
  }
  if (params['pick'] === undefined) return kept(row, { [as]: elements[draws.below(elements.length, candidate, as)] ?? null });
  const hash = (index: number): string => Buffer.from(draws.bytes(candidate, as, index)).toString('hex');
  const ranked = elements.map((value, index) => ({ value, hash: hash(index) })).sort((a, b) => (a.hash < b.hash ? -1 : 1));
  return kept(row, { [as]: ranked.slice(0, number(params['pick'])).map(({ value }) => value) });
}

function random(row: PlainRow, { id, params }: PlainStep, { seed, candidate }: OpContext): Verdict {
  const as = text(params['as']);
  const draws = seededDraws(seed, id);
  const list = (name: string): readonly PlainValue[] => (Array.isArray(params[name]) ? params[name] : []);
  if (params['integer'] !== undefined) {
    const [low, high] = list('integer').map(number);
    return kept(row, { [as]: number(low) + draws.below(number(high) - number(low) + 1, candidate, as) });
  }
  if (params['chance'] !== undefined) return kept(row, { [as]: draws.unit(candidate, as) < number(params['chance']) });
  if (params['choice'] !== undefined) return kept(row, { [as]: list('choice')[draws.below(list('choice').length, candidate, as)] ?? null });
  const [low, high] = list('number').map(number);
  const scale = 10 ** number(params['decimals']);
  return kept(row, { [as]: Math.round((number(low) + draws.unit(candidate, as) * (number(high) - number(low))) * scale) / scale });
}

/** The two forms that random workflows write: outputs alone, and a condition on one text field. */
function template(row: PlainRow, { params }: PlainStep): Verdict {
  const field = /^\{% if (\w+) \| length > 2 %\}/.exec(text(params['text']))?.[1];
  if (field !== undefined) {
    const value = text(row[field]);
    const long = value.replaceAll(/[a-z]/g, (letter) => letter.toUpperCase()).replace(new RegExp(`^${WHITE.source}`, 'u'), '');
    const written = [...value].length > 2 ? long.replace(new RegExp(`${WHITE.source}$`, 'u'), '') : JSON.stringify(value);
    return kept(row, { [text(params['as'])]: written });
  }
  const names = [...text(params['text']).matchAll(/\{\{(\w+)\}\}/g)].map((match) => text(match[1]));
  if (names.some((name) => row[name] === null)) return { kind: 'failed', code: 'NULL_IN_TEMPLATE' };
  const written = (value: PlainValue | undefined): string => (Array.isArray(value) ? value.map(String).join(', ') : String(value));
  return kept(row, { [text(params['as'])]: text(params['text']).replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => written(row[name])) });
}

/** Each draw has a seed of its own; the first answer that is whole is the text. */
function inference(row: PlainRow, { id, params }: PlainStep, { seed, candidate }: OpContext): Verdict {
  for (let draw = 0; draw < number(params['draws']); draw++) {
    const said = plainSaying(seededDraws(seed, id).below(2 ** 31 - 1, candidate, 'seed', draw));
    if (said !== undefined) return kept(row, { [text(params['as'])]: said });
  }
  return { kind: 'failed', code: 'ANSWER_CUT' };
}

export function length(row: PlainRow, { params }: PlainStep): Verdict {
  const value = row[text(params['field'])] ?? null;
  for (const unit of ['bytes', 'codepoints', 'words', 'lines', 'items']) {
    const bounds = params[unit];
    if (!Array.isArray(bounds)) continue;
    const [low, high] = bounds;
    const limit = high === null ? `at least ${low} ${unit}` : `${low} to ${high} ${unit}`;
    if (value === null) return { kind: 'rejected', measured: 'null', limit };
    const measured = MEASURES[unit]?.(value) ?? 0;
    if (measured < low || (high !== null && measured > high)) return { kind: 'rejected', measured, limit };
  }
  return kept(row);
}

function range(row: PlainRow, { params }: PlainStep): Verdict {
  const measured = number(row[text(params['field'])]);
  const strict = params['exclusive'] === true;
  for (const [bound, side] of [
    ['min', 1],
    ['max', -1],
  ] as const) {
    if (params[bound] === undefined) continue;
    const limit = number(params[bound]);
    const distance = (measured - limit) * side;
    if (strict ? distance <= 0 : distance < 0) return { kind: 'rejected', measured, limit };
  }
  return kept(row);
}

function oneOf(row: PlainRow, { params }: PlainStep, { data }: OpContext): Verdict {
  const listed = params['values'] ?? data[text(params['from'])];
  const values: readonly PlainValue[] = Array.isArray(listed) ? listed : [];
  const value = row[text(params['field'])] ?? null;
  if (values.includes(value)) return kept(row);
  const measured = typeof value === 'number' ? value : shortened(String(value));
  return { kind: 'rejected', measured, limit: shortened(values.slice(0, 20).map(String).join(', ')) };
}

function expression(row: PlainRow, { params }: PlainStep): Verdict {
  const condition = CONDITIONS.find(({ cel }) => cel === params['keep']);
  const holds = condition?.holds(row);
  if (holds === undefined) return { kind: 'failed', code: 'EXPRESSION_ERROR' };
  if (holds) return kept(row);
  const read = Object.entries(row).filter(([name, value]) => condition?.reads.includes(name) && !Array.isArray(value));
  return {
    kind: 'rejected',
    measured: shortened(read.map(([name, value]) => `${name}=${String(value)}`).join(', ')),
    limit: shortened(condition?.cel ?? ''),
  };
}

function script(row: PlainRow, { params }: PlainStep): Verdict {
  return SCRIPTS.find(({ code }) => code === params['code'])?.judge(row) ?? { kind: 'failed', code: 'UNKNOWN' };
}

function set(row: PlainRow, { params }: PlainStep): Verdict {
  const made = COMPUTATIONS.find(({ as, cel }) => as === params['as'] && cel === params['value'])?.make(row);
  return made === undefined ? { kind: 'failed', code: 'EXPRESSION_ERROR' } : kept(row, { [text(params['as'])]: made });
}

function whitespace(row: PlainRow, { params }: PlainStep): Verdict {
  const field = text(params['field']);
  const whole = text(row[field]);
  const folded = whole.replaceAll(WHITE, (run: string, at: number) => {
    if (params['trim'] !== false && (at === 0 || at + run.length === whole.length)) return '';
    if (params['collapse'] === false) return run;
    const lineEnds = run.split('\n').length - 1;
    if (lineEnds === 0 || params['newlines'] === undefined || params['newlines'] === 'space') return ' ';
    return params['newlines'] === 'paragraphs' && lineEnds > 1 ? '\n\n' : '\n';
  });
  return kept(row, { [field]: folded });
}

function clip(row: PlainRow, { params }: PlainStep): Verdict {
  const field = text(params['field']);
  const value = row[field];
  if (typeof value === 'number') {
    const raised = params['min'] === undefined ? value : Math.max(value, number(params['min']));
    return kept(row, { [field]: params['max'] === undefined ? raised : Math.min(raised, number(params['max'])) });
  }
  let short = '';
  for (const character of text(value)) {
    if (params['codepoints'] !== undefined && [...short].length >= number(params['codepoints'])) break;
    if (params['bytes'] !== undefined && Buffer.byteLength(short + character) > number(params['bytes'])) break;
    short += character;
  }
  return kept(row, { [field]: short });
}

function replace(row: PlainRow, { params }: PlainStep): Verdict {
  const field = text(params['field']);
  const parts = text(row[field]).split(text(params['literal']));
  const [head = '', ...tail] = parts;
  const joined =
    params['first'] === true
      ? head + (tail.length > 0 ? text(params['with']) : '') + tail.join(text(params['literal']))
      : parts.join(text(params['with']));
  return kept(row, { [field]: joined });
}

function trim(row: PlainRow, { params }: PlainStep): Verdict {
  const field = text(params['field']);
  const characters = [...text(row[field])];
  const loose = (character: string | undefined): boolean => character !== undefined && [...text(params['characters'])].includes(character);
  while (params['side'] !== 'end' && loose(characters[0])) characters.shift();
  while (params['side'] !== 'start' && loose(characters.at(-1))) characters.pop();
  return kept(row, { [field]: characters.join('') });
}

/** Steps that look at one record. */
export const PLAIN_OPS: { readonly [op: string]: PlainOp } = {
  select,
  random,
  template,
  inference,
  length,
  range,
  oneOf,
  expression,
  script,
  set,
  whitespace,
  clip,
  replace,
  trim,
};

export const CORRECTING: readonly string[] = ['set', 'script', 'whitespace', 'clip', 'replace', 'trim', 'take'];
