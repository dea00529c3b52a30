/** A step in JavaScript, for what CEL can't say: keeps, drops or changes one record at a time. Confined and counted (law 11), in `operators/sandbox/`. */
import type { EffectSink, OpSpec, PlanContext, Row, Schema, Value } from '#kernel';
import { defineOperator } from '#kernel';
import { z } from 'zod';
import { fieldTypeSchema } from '../field-type.ts';
import { existingField, FIELD_NAME, openParams, PATH_LIMIT, planWrite, shorten, toJson } from '../fields.ts';
import { readTextFile } from '../generate/json-file.ts';
import { readOutcome } from '../sandbox/script-outcome.ts';
import type { Outcome } from '../sandbox/script-outcome.ts';
import { SCRIPT_LIMIT, ScriptProblem, ScriptSandbox } from '../sandbox/script-sandbox.ts';
import { bytesIn, toScript } from '../sandbox/script-values.ts';

/** Steps of the engine for which one gas is charged: about what CEL takes for one of its steps. */
const STEPS_PER_GAS = 100;

const params = z.strictObject({
  code: z
    .string()
    .min(1)
    .max(SCRIPT_LIMIT)
    .optional()
    .describe('The script: a function `(record, drop) => …`, or a module that exports one as default. Either this or `file`.'),
  file: z.string().min(1).max(1000).optional().describe('File beside the workflow that holds the script, in place of `code`.'),
  reads: z.array(existingField('Field name.')).max(1000).optional().describe('Fields that the function gets. Default: all that there are.'),
  writes: z
    .record(z.string().max(PATH_LIMIT).regex(FIELD_NAME), fieldTypeSchema)
    .optional()
    .describe('Fields that the function may set, with their types: new ones, or ones of the same type.'),
});
type Params = z.infer<typeof params>;

const fieldSchema = z.array(z.strictObject({ name: z.string(), type: fieldTypeSchema }));
const planned = z.strictObject({ code: z.string(), reads: fieldSchema, writes: fieldSchema, made: z.array(z.string()) });

export const script = defineOperator({
  name: 'script',
  version: 1,
  group: 'rule',
  kind: 'row',
  corrects: true,
  summary: 'Keep, drop or change records by a JavaScript function, in a sandbox.',
  description:
    'The function gets a record as a plain object, and `drop`. Nothing or `true` keeps the record as it is; `drop(measured, limit)` or `false` drops it; an object sets the fields that `writes` names (it may hold the others too, unchanged, as in `{ ...record, n: 1 }`). ' +
    'A new field must be set unless its type may be null. A record is asked about alone: nothing that the function leaves behind is seen with the next one. ' +
    'There is no clock, chance, locale, import, network, file, console or timer, no code made from texts, no float view of bytes; nothing is waited for. The language is ES2023 (QuickJS), with its own pattern engine and Unicode tables. ' +
    'A record may take 20,000,000 steps of the engine (loops, calls, patterns and built-in functions alike; a turn of a plain loop takes about 30), 1,000 nested calls of the engine, 64 MiB of memory, and 4 MiB of JSON in and out. ' +
    'What goes wrong fails the record: SCRIPT_ERROR (thrown), SCRIPT_RESULT (not what the step may give), SCRIPT_STEPS, SCRIPT_DEPTH, SCRIPT_MEMORY, SCRIPT_INPUT, SCRIPT_OUTPUT, SCRIPT_CRASHED. Gas: one for 100 steps.',
  params,
  examples: [
    {
      title: 'drop by what was measured, set a new field',
      params: {
        code: "(record, drop) => {\n  const words = record.body.split(/\\s+/).filter(Boolean).length;\n  return words < 3 ? drop(words, 'at least 3 words') : { words };\n}",
        writes: { words: 'long' },
      },
      input: [{ body: ' one two  three ' }, { body: 'one' }],
      output: [{ row: { body: ' one two  three ', words: 3 } }, { rejected: { measured: 1, limit: 'at least 3 words' } }],
    },
    {
      title: 'a condition; what is thrown fails the record',
      params: { code: 'record => record.tags.some(tag => tag.startsWith("a"))' },
      schema: [{ name: 'tags', type: { optional: { array: 'string' } } }],
      input: [{ tags: ['b', 'ab'] }, { tags: [] }, { tags: null }],
      output: [{ row: { tags: ['b', 'ab'] } }, { rejected: {} }, { failed: 'SCRIPT_ERROR' }],
    },
    {
      title: 'change a field, in a module',
      params: {
        code: 'const SPACES = /\\s+/gu;\nexport default function clean(record) {\n  return { ...record, name: record.name.normalize("NFC").replace(SPACES, " ").trim() };\n}',
        writes: { name: 'string' },
      },
      input: [{ id: 1, name: ' Zoe\u0308  Ray ' }],
      output: [{ row: { id: 1, name: 'Zoë Ray' } }],
    },
    {
      title: 'an endless loop ends at the limit of steps',
      params: { code: 'record => { while (record.n > 1); }' },
      input: [{ n: 2 }, { n: 1 }],
      output: [{ failed: 'SCRIPT_STEPS' }, { row: { n: 1 } }],
    },
  ],
  gas: { perRecord: 40, per64Bytes: 1 },
  defaultId: (p) => (p.file === undefined ? 'script' : `script-${p.file.replace(/^.*\//, '').replace(/\.[^.]*$/, '')}`),
  files: (p) => (p.file === undefined || p.code !== undefined ? [] : [{ path: p.file, at: 'file' }]),
  plan(p, context) {
    const code = codeOf(p, context);
    const reads = planReads(p, context);
    const writes = Object.entries(p.writes ?? {}).map(([name, type]) => ({ name, type }));
    const writable = writes.map(({ name, type }) => planWrite(context, name, type, `writes.${name}`)).every(Boolean);
    if (code === undefined || reads === undefined || !writable) return [];
    const at = p.code === undefined ? 'file' : 'code';
    if (!tryScript(code, reads, p.file ?? 'the script', at, context)) return [];
    const made = writes.map(({ name }) => name).filter((name) => !context.schema.some((field) => field.name === name));
    return [{ params: toJson({ code, reads, writes, made }), reads: reads.map(({ name }) => name), writes }];
  },
  open(op) {
    const p = openParams(planned, op.params, 'script');
    const sandbox = new ScriptSandbox(p.code, JSON.stringify(bytesIn(p.reads)));
    const made = new Set(p.made);
    return {
      execute(input, out) {
        for (const row of input.rows) {
          const fields = input.row(row);
          const run = sandbox.ask(toScript(fields));
          out.charge(Math.ceil(run.steps / STEPS_PER_GAS));
          const outcome = readOutcome(run, { ...p, fields });
          report(outcome, row, { op, made, writes: p.writes }, out);
        }
      },
    };
  },
});

function codeOf(p: Params, context: PlanContext): string | undefined {
  if ((p.code === undefined) === (p.file === undefined)) {
    context.problem('', p.code === undefined ? 'There is no script' : 'There are two scripts, `code` and `file`', {
      expected: 'either code: "(record, drop) => …" or file: NAME.js',
    });
    return undefined;
  }
  const code = p.code ?? readTextFile(p.file ?? '', 'file', context);
  if (code === undefined || code.length <= SCRIPT_LIMIT) return code;
  context.problem('file', `The script has ${code.length} characters`, { expected: `at most ${SCRIPT_LIMIT}` });
  return undefined;
}

/** The fields that the function gets, hidden ones never. */
function planReads(p: Params, context: PlanContext): Schema | undefined {
  const known = context.schema.filter(({ name }) => FIELD_NAME.test(name));
  if (p.reads === undefined) return known;
  const types = p.reads.map((name, n) => context.fieldType(name, `reads[${n}]`));
  const whole = p.reads.map((name, n) => {
    if (!name.includes('.') || types[n] === undefined) return true;
    context.problem(`reads[${n}]`, 'A script gets whole fields', { expected: `'${name.slice(0, name.indexOf('.'))}'` });
    return false;
  });
  if (types.includes(undefined) || !whole.every(Boolean)) return undefined;
  return known.filter(({ name }) => p.reads?.includes(name));
}

/** Opens the script once, so that what is wrong with it as a whole is said before the run. */
function tryScript(code: string, reads: Schema, name: string, at: string, context: PlanContext): boolean {
  try {
    return new ScriptSandbox(code, JSON.stringify(bytesIn(reads))) !== undefined;
  } catch (error) {
    if (!(error instanceof ScriptProblem)) throw error;
    const place = error.line === undefined ? name : `${name}, line ${error.line}, column ${error.column}`;
    context.problem(at, `${place}: ${error.message}`, {
      expected: 'JavaScript: a function of one record, such as `(record, drop) => record.n > 3`',
      ...(/could not load module/.test(error.message) ? { hint: 'a script imports nothing: put everything into one file' } : {}),
    });
    return false;
  }
}

interface Step {
  readonly op: OpSpec;
  /** Fields that no step made before. */
  readonly made: ReadonlySet<string>;
  readonly writes: Schema;
}

function report(outcome: Outcome, row: number, step: Step, out: EffectSink): void {
  if (outcome.kind === 'failed') out.fail(row, outcome.code, outcome.message);
  else if (outcome.kind === 'dropped') {
    out.reject(row, { measured: short(outcome.measured), limit: short(outcome.limit) });
    if (step.op.onFail !== 'drop') setAll({}, row, step, out);
  } else setAll(outcome.fields, row, step, out);
}

/** A record that stays has every new field. */
function setAll(fields: Row, row: number, { made, writes }: Step, out: EffectSink): void {
  for (const { name, type } of writes) {
    const value: Value | undefined = fields[name];
    if (value !== undefined) out.setValue(name, row, value);
    else if (!made.has(name)) continue;
    else if (typeof type === 'object' && 'optional' in type) out.setValue(name, row, null);
    else out.fail(row, 'SCRIPT_RESULT', `the new field '${name}' is not set; with the type { optional: … } it could be null`);
  }
}

function short(value: string | number | undefined): string | number | undefined {
  return typeof value === 'string' ? shorten(value) : value;
}
