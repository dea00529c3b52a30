/**
 * Random workflows for the oracle: a list of free choices becomes a workflow that compiles, step by step with the fields that exist there, so
 * that a failing case shrinks by leaving out choices. Values come from small pools: records meet again, and limits lie among them.
 */
import fc from 'fast-check';
import type { PlainWorkflow, SourceLine } from './oracle.ts';
import type { PlainParams, PlainRow, PlainStep, PlainValue } from './oracle-ops.ts';
import { COMPUTATIONS, CONDITIONS, SCRIPTS } from './oracle-ops.ts';

/** One step: which, with which parameters, and whether a rule flags. */
interface Choice {
  readonly op: number;
  readonly a: number;
  readonly b: number;
  readonly flag: boolean;
}

const TEXTS: readonly string[] = [
  '',
  'a',
  'A',
  'ab',
  ' a  b ',
  'x\ny\n',
  '😀a',
  'é\u00a0 e',
  'a.a.a',
  'tea time is at four',
  '\u3000',
  '"a"',
];
const WORDS: readonly string[] = ['kettle', 'lamp', 'a', 'x', '😀', ''];

type FieldKind = 'string' | 'long' | 'double' | 'boolean' | 'strings' | 'optional' | 'scores';

/** Takes the parameters of steps out of two numbers. */
class Dice {
  private left: number;

  constructor(a: number, b: number) {
    this.left = a * 65_536 + b;
  }

  below(n: number): number {
    const drawn = this.left % n;
    this.left = Math.floor(this.left / n);
    return drawn;
  }

  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}

class WorkflowBuilder {
  readonly generate: PlainStep[] = [];
  readonly verify: PlainStep[] = [];
  private readonly fields = new Map<string, FieldKind>();
  private global = false;
  private shuffled = false;

  constructor(source: boolean) {
    if (source) {
      for (const [name, kind] of [
        ['body', 'string'],
        ['n', 'long'],
        ['x', 'double'],
        ['opt', 'optional'],
      ] as const)
        this.fields.set(name, kind);
      return;
    }
    this.make('select', 'word', 'string', { from: 'words', as: 'word' });
    this.make('random', 'n', 'long', { as: 'n', integer: [-2, 5] });
    this.make('random', 'x', 'double', { as: 'x', number: [0, 3], decimals: 1 });
    this.make('template', 'body', 'string', { as: 'body', text: '{{word}} {{n}}' });
  }

  get names(): readonly string[] {
    return [...this.fields.keys()];
  }

  /** Steps of `generate`: their ids are their fields. */
  private make(op: string, as: string, kind: FieldKind, params: PlainParams): void {
    this.generate.push({ op, id: as, params, flag: false });
    this.fields.set(as, kind);
  }

  add(choice: Choice): void {
    const dice = new Dice(choice.a, choice.b);
    const made = MAKERS[choice.op % MAKERS.length]?.(dice, this);
    if (made === undefined) return;
    const { op, params } = made;
    if (op === 'dedup' && this.global) return;
    if (ASKING.includes(op) && this.shuffled) return;
    const flag = FLAGGING.includes(op) && choice.flag;
    if (flag) this.fields.set('flags', 'strings');
    if (made.as !== undefined) this.fields.set(made.as.name, made.as.kind);
    if (GLOBAL.includes(op)) this.global = true;
    if (this.global || op === 'dedup') this.shuffled = true;
    this.verify.push({ op, id: `v${this.verify.length}`, params, flag });
  }

  of(...kinds: readonly FieldKind[]): readonly string[] {
    return this.names.filter((name) => kinds.some((kind) => kind === this.fields.get(name)));
  }

  has(name: string): boolean {
    return this.fields.has(name);
  }
}

interface Made {
  readonly op: string;
  readonly params: PlainParams;
  readonly as?: { readonly name: string; readonly kind: FieldKind };
}

/** Steps that may keep what falls short, with a flag. */
const FLAGGING: readonly string[] = ['length', 'range', 'oneOf', 'expression', 'script', 'judge'];
const ASKING: readonly string[] = ['inference', 'judge', 'classify', 'repair'];
const GLOBAL: readonly string[] = ['count', 'summary', 'sample', 'coverage', 'distinct', 'quota'];

function lengthStep(dice: Dice, builder: WorkflowBuilder): Made {
  const field = dice.of(builder.of('string', 'strings', 'optional'));
  const unit = builder.of('strings').includes(field) ? 'items' : dice.of(['bytes', 'codepoints', 'words', 'lines']);
  const low = dice.below(3);
  return { op: 'length', params: { field, [unit]: [low, dice.below(3) === 0 ? null : low + dice.below(8)] } };
}

function rangeStep(dice: Dice, builder: WorkflowBuilder): Made {
  const field = dice.of(builder.of('long', 'double'));
  const min = dice.below(4) - 1;
  const bounds = dice.of([{ min }, { max: min + 2 }, { min, max: min + 3 }]);
  return { op: 'range', params: { field, ...bounds, ...(dice.below(2) === 0 ? { exclusive: true } : {}) } };
}

function oneOfStep(dice: Dice, builder: WorkflowBuilder): Made {
  if (dice.below(2) === 0) return { op: 'oneOf', params: { field: dice.of(builder.of('long')), values: [dice.below(4), 3, 4, -1] } };
  const field = dice.of(builder.of('string', 'optional'));
  return { op: 'oneOf', params: dice.below(2) === 0 ? { field, from: 'words' } : { field, values: TEXTS.slice(0, 4 + dice.below(6)) } };
}

function clipStep(dice: Dice, builder: WorkflowBuilder): Made {
  const field = dice.of(builder.of('string', 'long', 'double'));
  if (builder.of('string').includes(field)) return { op: 'clip', params: { field, [dice.of(['codepoints', 'bytes'])]: dice.below(6) } };
  const min = dice.below(3);
  return { op: 'clip', params: { field, ...dice.of([{ min }, { max: min + 2 }, { min, max: min + 1 }]) } };
}

function dedupStep(dice: Dice, builder: WorkflowBuilder): Made {
  const names = builder.names.filter(() => dice.below(2) === 0);
  return { op: 'dedup', params: { by: dice.below(4) === 0 ? [] : names } };
}

/** A new field, drawn in `verify`: its draws must not depend on where the record has travelled. */
function drawStep(dice: Dice, builder: WorkflowBuilder): Made | undefined {
  const name = `drawn${builder.verify.length}`;
  const long = { name, kind: 'long' } as const;
  const text = { name, kind: 'string' } as const;
  return dice.of<Made>([
    { op: 'random', params: { as: name, integer: [0, 3] }, as: long },
    { op: 'random', params: { as: name, chance: 0.5 }, as: { name, kind: 'boolean' } },
    { op: 'random', params: { as: name, choice: ['p', 'q', 'r'] }, as: text },
    { op: 'select', params: { as: name, from: 'words', each: true }, as: text },
    { op: 'select', params: { as: name, from: 'words', pick: 2 }, as: { name, kind: 'strings' } },
    { op: 'select', params: { as: name, from: 'words' }, as: text },
  ]);
}

function templateStep(dice: Dice, builder: WorkflowBuilder): Made {
  const written = builder.names.filter((field) => !builder.of('scores').includes(field));
  const names = [dice.of(written), dice.of(written)];
  const name = `text${builder.verify.length}`;
  if (dice.below(3) === 0) {
    const field = dice.of(builder.of('string'));
    const text = `{% if ${field} | length > 2 %}{{ ${field} | upper | trim }}{% else %}{{ ${field} | tojson }}{% endif %}{# never seen #}`;
    return { op: 'template', params: { as: name, text }, as: { name, kind: 'string' } };
  }
  return { op: 'template', params: { as: name, text: names.map((field) => `<{{${field}}}>`).join(' and ') }, as: { name, kind: 'string' } };
}

/** Asks the model of `plain-model.ts`, in up to three draws. */
function inferenceStep(dice: Dice, builder: WorkflowBuilder): Made {
  const name = `said${builder.verify.length}`;
  const params = { as: name, model: 'plain', prompt: 'Say something.', draws: 1 + dice.below(3), maxTokens: 9 };
  return { op: 'inference', params, as: { name, kind: 'string' } };
}

const someModels = (dice: Dice): string[] => ['plain', 'clear', 'simple'].slice(0, 1 + dice.below(3));

function judgeStep(dice: Dice, builder: WorkflowBuilder): Made {
  const name = `scores${builder.verify.length}`;
  const scores = { fit: { 1: 'no', 2: 'some', 3: 'yes' }, tone: { 0: 'rude', 4: 'kind' } };
  const limits = dice.of([{ min: 2 }, { min: 1.5, least: { fit: 2 } }, { least: { tone: 2 } }]);
  const params = {
    field: dice.of(builder.of('string')),
    models: someModels(dice),
    rubric: { scores: dice.below(2) === 0 ? scores : { fit: scores.fit } },
    combine: dice.of(['mean', 'median', 'min', 'majority']),
    draws: 1 + dice.below(3),
    maxTokens: 9,
  };
  // A rubric of one score has no `least` of another.
  const fitting = 'tone' in params.rubric.scores ? limits : { min: 2 };
  return { op: 'judge', params: { ...params, ...fitting, as: name } as unknown as PlainParams, as: { name, kind: 'scores' } };
}

function classifyStep(dice: Dice, builder: WorkflowBuilder): Made {
  const name = `class${builder.verify.length}`;
  const options = { big: 'It is big.', mean: 'It is mean.', small: 'It is small.' };
  const params = { as: name, field: dice.of(builder.of('string', 'long')), models: someModels(dice), options, draws: 1 + dice.below(3) };
  return { op: 'classify', params, as: { name, kind: 'string' } };
}

function repairStep(dice: Dice, builder: WorkflowBuilder): Made {
  const field = dice.of(builder.of('string'));
  const low = dice.below(4);
  const checks = [{ length: { field, [dice.of(['codepoints', 'words'])]: [low, low + dice.below(6)] } }];
  return { op: 'repair', params: { field, model: 'plain', checks, draws: 1 + dice.below(3), maxTokens: 9 } as unknown as PlainParams };
}

function quotaStep(dice: Dice, builder: WorkflowBuilder): Made {
  const counts = dice.of([{}, { counts: { a: 1, true: 2, '1': 2 } }]);
  return { op: 'quota', params: { by: dice.of(builder.of('string', 'long', 'boolean')), each: dice.below(9), ...counts } };
}

/** Seldom, as each takes an engine of its own. */
function scriptStep(dice: Dice): Made {
  const { code, writes } = dice.of(SCRIPTS);
  const params = { code, writes };
  return 'remark' in writes ? { op: 'script', params, as: { name: 'remark', kind: 'optional' } } : { op: 'script', params };
}

function expressionStep(dice: Dice, builder: WorkflowBuilder): Made {
  if (dice.below(4) === 0) return scriptStep(dice);
  const { cel } = dice.of(CONDITIONS.filter((condition) => condition.reads.every((name) => builder.has(name))));
  return { op: 'expression', params: { keep: cel } };
}

const KIND_OF_COMPUTED: { readonly [as: string]: FieldKind } = { n: 'long', m: 'long', ratio: 'long', x: 'double' };

function setStep(dice: Dice): Made {
  const { as, cel } = dice.of(COMPUTATIONS);
  return { op: 'set', params: { as, value: cel }, as: { name: as, kind: KIND_OF_COMPUTED[as] ?? 'string' } };
}

const MAKERS: readonly ((dice: Dice, builder: WorkflowBuilder) => Made | undefined)[] = [
  lengthStep,
  rangeStep,
  oneOfStep,
  expressionStep,
  setStep,
  (dice, builder) => ({
    op: 'whitespace',
    params: {
      field: dice.of(builder.of('string')),
      newlines: dice.of(['space', 'keep', 'paragraphs']),
      ...dice.of([{}, { trim: false }, { collapse: false }]),
    },
  }),
  clipStep,
  (dice, builder) => ({
    op: 'replace',
    params: {
      field: dice.of(builder.of('string')),
      literal: dice.of(['a', 'a.', ' ', '😀']),
      with: dice.of(['', 'bb', '$&']),
      ...(dice.below(2) === 0 ? { first: true } : {}),
    },
  }),
  (dice, builder) => ({
    op: 'trim',
    params: { field: dice.of(builder.of('string')), characters: dice.of(['"', ' a', '😀x']), side: dice.of(['both', 'start', 'end']) },
  }),
  dedupStep,
  dedupStep,
  dedupStep,
  dedupStep,
  drawStep,
  templateStep,
  inferenceStep,
  (dice, builder) => ({ op: 'count', params: dice.below(3) === 0 ? {} : { by: dice.of(builder.of('string', 'long', 'boolean')) } }),
  (dice, builder) => ({ op: 'summary', params: { field: dice.of(builder.of('long', 'double')) } }),
  (dice) => ({ op: 'sample', params: { size: 1 + dice.below(6) } }),
  judgeStep,
  classifyStep,
  repairStep,
  quotaStep,
  (dice, builder) => ({ op: 'coverage', params: { field: dice.of(builder.of('string')), of: 'words' } }),
  (dice, builder) => ({ op: 'distinct', params: { field: dice.of(builder.of('string', 'optional')) } }),
];

/** What reading a malformed line must give. */
const BAD_LINES: readonly SourceLine[] = [
  { line: '{"body":"a","n":1', expected: { code: 'MALFORMED_JSON' } },
  { line: '{"body":"a","body":"b","n":1,"x":1}', expected: { code: 'MALFORMED_JSON' } },
  { line: '[1,2]', expected: { code: 'MALFORMED_JSON' } },
  { line: '{"body":"a","n":"1","x":1}', expected: { code: 'MISFIT' } },
  { line: '{"body":"a","n":1.5,"x":1}', expected: { code: 'MISFIT' } },
  { line: '{"body":"a","x":1}', expected: { code: 'MISFIT' } },
  { line: '{"body":"\\ud83d","n":1,"x":1}', expected: { code: 'MALFORMED_JSON' } },
];

const goodRow = fc.record({
  body: fc.constantFrom(...TEXTS),
  n: fc.integer({ min: -2, max: 5 }),
  x: fc.integer({ min: -8, max: 24 }).map((eighths) => eighths / 8),
  opt: fc.constantFrom<PlainValue>('', 'a', 'tea time is at four', null),
});

function lineOf(row: PlainRow): SourceLine {
  const { opt, ...rest } = row;
  return { line: JSON.stringify(opt === null ? rest : row), expected: row };
}

const sourceLine: fc.Arbitrary<SourceLine> = fc.oneof(
  { weight: 9, arbitrary: goodRow.map(lineOf) },
  { weight: 1, arbitrary: fc.constantFrom(...BAD_LINES) },
);

const choice: fc.Arbitrary<Choice> = fc.record({ op: fc.nat(MAKERS.length - 1), a: fc.nat(65_535), b: fc.nat(65_535), flag: fc.boolean() });

const frame = fc.record({
  seed: fc.oneof(fc.integer({ min: 0, max: 1_000 }), fc.constantFrom('tea', '😀')),
  taskSize: fc.integer({ min: 1, max: 17 }),
  block: fc.constantFrom(1, 2, 3, 5, 1_024),
  partitions: fc.integer({ min: 1, max: 5 }),
  budget: fc.integer({ min: 1, max: 90 }),
  bounded: fc.boolean(),
  acceptShare: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
  source: fc.option(fc.array(sourceLine, { minLength: 1, maxLength: 80 }), { nil: undefined }),
  choices: fc.array(choice, { maxLength: 8 }),
  publish: fc.option(fc.array(fc.nat(20), { minLength: 1, maxLength: 4 }), { nil: undefined }),
});

export const randomWorkflow: fc.Arbitrary<PlainWorkflow> = frame.map((made) => {
  const { seed, taskSize, block, partitions, source, choices } = made;
  const builder = new WorkflowBuilder(source !== undefined);
  for (const one of choices) builder.add(one);
  const budget = source === undefined || made.bounded ? made.budget : undefined;
  const most = Math.min(budget ?? Number.POSITIVE_INFINITY, source?.length ?? Number.POSITIVE_INFINITY);
  const names = [...new Set(made.publish?.map((n) => builder.names[n % builder.names.length] as string))];
  return {
    seed,
    taskSize,
    block,
    partitions,
    data: { words: WORDS },
    readId: 'read',
    generate: builder.generate,
    verify: builder.verify,
    ...(made.acceptShare === undefined ? {} : { accept: 1 + Math.floor(made.acceptShare * (most - 1)) }),
    ...(budget === undefined ? {} : { budget }),
    ...(source === undefined ? {} : { source }),
    ...(made.publish === undefined ? {} : { publish: names }),
  };
});

/** The workflow as a file, and the file of its source. */
export function workflowFiles(workflow: PlainWorkflow, name = 'w'): { readonly 'workflow.yaml': string; readonly 'source.jsonl': string } {
  const written = (step: PlainStep): unknown => ({ [step.op]: { ...step.params, id: step.id, ...(step.flag ? { onFail: 'flag' } : {}) } });
  const read = { read: { path: 'source.jsonl', id: workflow.readId, fields: { body: 'string', n: 'long', x: 'double', opt: 'string?' } } };
  const document = {
    mizu: 1,
    name,
    seed: workflow.seed,
    ...(workflow.accept === undefined ? {} : { accept: workflow.accept }),
    ...(workflow.budget === undefined ? {} : { budget: { candidates: workflow.budget } }),
    task: { size: workflow.taskSize },
    block: workflow.block,
    partitions: workflow.partitions,
    models: Object.fromEntries(['plain', 'clear', 'simple'].map((model) => [model, { url: 'http://127.0.0.1:9/v1' }])),
    data: Object.fromEntries(Object.entries(workflow.data).map(([set, list]) => [set, { list }])),
    generate: [...(workflow.source === undefined ? [] : [read]), ...workflow.generate.map(written)],
    verify: workflow.verify.map(written),
    ...(workflow.publish === undefined ? {} : { publish: { fields: workflow.publish } }),
  };
  return {
    'workflow.yaml': JSON.stringify(document, null, 1),
    'source.jsonl': (workflow.source ?? []).map(({ line }) => `${line}\n`).join(''),
  };
}
