/**
 * The documents say what is: commands and options exist, named files exist, every law names a test, the README's workflow compiles and its
 * demo prints what it shows, the reference is what the registry gives, and the forms of documents/bytes.md read what the engine writes.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import avsc from 'avsc';
import { describe, expect, it } from 'vitest';
import { compileWorkflow, RunTopics } from '#engine';
import { registry } from '#topologies';
import { referenceMarkdown } from '../../cli/operator-reference.ts';
import { buildProgram } from '../../cli/program.ts';
import type { Drop, Effect } from '../../engine/proof/effect.ts';
import { encodeDrop, encodeEffect } from '../../engine/proof/effect.ts';
import { encodeFrame } from '../../engine/proof/frame.ts';
import { encodeLeaf } from '../../engine/proof/leaf.ts';
import { encodeStateEntry } from '../../engine/runtime/state-entry.ts';
import { SECTION_NAMES } from '../../engine/workflow/workflow-schema.ts';
import { checkDocuments } from '../gates/source-rules.ts';
import { commandsMarkdown } from '../reference/commands.ts';
import { mizu } from '../support/cli.ts';
import { memoryHost } from '../support/memory-host.ts';
import { scratchFolder } from '../support/scratch.ts';

const ROOT = join(import.meta.dirname, '../..');
const textOf = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

const OWN = ['README.md', 'ARCHITECTURE.md', 'DECISIONS.md', 'CONTRIBUTING.md', 'CHANGELOG.md'];
const ROOM = readdirSync(join(ROOT, 'documents')).map((name) => `documents/${name}`);
const ALL = [...OWN, ...ROOM];

/** Bodies of fenced blocks that are marked with exactly this. */
function blocks(markdown: string, mark: string): string[] {
  return [...markdown.matchAll(/^```([^\n]*)\n([\s\S]*?)^```$/gm)].filter((match) => match[1] === mark).map((match) => match[2] ?? '');
}

/** The cells of every row of the table below the header row that begins with `first`. */
function table(markdown: string, first: string): string[][] {
  const lines = markdown.split('\n');
  const rows: string[][] = [];
  lines.forEach((line, at) => {
    if (!line.startsWith(`| ${first} |`)) return;
    for (let n = at + 2; lines[n]?.startsWith('|'); n++)
      rows.push(
        (lines[n] ?? '')
          .slice(1, -1)
          .split(/(?<!\\)\|/)
          .map((cell) => cell.trim()),
      );
  });
  return rows;
}

const bare = (cell = ''): string => cell.replaceAll('`', '');

describe('commands', () => {
  const program = buildProgram(async () => undefined);
  const scripts = Object.keys((JSON.parse(textOf('package.json')) as { scripts: object }).scripts);

  /** Words after `mizu`: from shell blocks, and from code inside the text. */
  function commandsIn(markdown: string): string[][] {
    const shell = blocks(markdown, 'sh').flatMap((block) => block.split('\n').map((line) => line.replace(/\s+#.*$/, '')));
    const inline = [...markdown.matchAll(/`((?:mizu|npm run -s mizu --) [^`]+)`/g)].map((match) => match[1] ?? '');
    return [...shell, ...inline].flatMap((line) => {
      const words = /(?:^mizu|npm run -s mizu --) (.*)$/.exec(line)?.[1]?.split(/\s+/);
      return words === undefined || words[0] === '…' ? [] : [words];
    });
  }

  function problem([name = '', ...words]: readonly string[]): string | undefined {
    if (name.startsWith('-'))
      return program.options.some((option) => option.long === name || option.short === name) || name === '--help' ? undefined : name;
    const command = program.commands.find((candidate) => candidate.name() === name);
    if (command === undefined) return `there is no command '${name}'`;
    const known = command.options.flatMap((option) => [option.long, option.short]);
    const wrong = words.filter((word) => /^--?[a-z]/.test(word)).find((word) => !known.includes(word));
    return wrong === undefined ? undefined : `'${name}' has no option '${wrong}'`;
  }

  it('in documents exist, with the options they are given', () => {
    const found = ALL.flatMap((file) => commandsIn(textOf(file)).map((words) => ({ file, words, problem: problem(words) })));
    expect(found.length).toBeGreaterThan(15);
    expect(found.filter((one) => one.problem !== undefined)).toEqual([]);
  });

  it('have the options that documents name by themselves', () => {
    const ofCommands = program.commands.flatMap((command) => command.options.map((option) => option.long ?? ''));
    const ofBenchmarks = [...textOf('test/bench/main.ts').matchAll(/^ {2}(--[a-z-]+)/gm)].map((match) => match[1] ?? '');
    expect(ofBenchmarks.length).toBeGreaterThan(5);
    const known = [...ofCommands, ...ofBenchmarks];
    const named = ALL.flatMap((file) => [...textOf(file).matchAll(/`(--[a-z-]+)[^`]*`/g)].map((match) => match[1] ?? ''));
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((option) => !known.includes(option))).toEqual([]);
  });

  it('would be reported if they did not', () => {
    expect(commandsIn('```sh\nnpm run -s mizu -- prove X --out f   # comment\n```\nor `mizu chekc FILE`').map(problem)).toEqual([
      undefined,
      "there is no command 'chekc'",
    ]);
    expect(problem(['run', 'FILE', '--wrokers', '2'])).toBe("'run' has no option '--wrokers'");
  });

  it('of npm in documents are scripts of the package', () => {
    const named = ALL.flatMap((file) => [...textOf(file).matchAll(/npm run (?:-s )?([a-z:]+)/g)].map((match) => match[1]));
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((name) => name === undefined || !scripts.includes(name))).toEqual([]);
  });
});

describe('named files', () => {
  it.each(ALL)('of %s exist', (file) => {
    const paths = [...textOf(file).matchAll(/`((?:engine|operators|connectors|topologies|cli|test|documents)\/[\w./-]*)`/g)].map(
      (match) => match[1] ?? '',
    );
    if (file === 'ARCHITECTURE.md') expect(paths.length).toBeGreaterThan(80);
    expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it.each(ALL)('that %s links to exist, with the headings', (file) => {
    const anchorOf = (heading: string): string =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-');
    const anchorsOf = (text: string): string[] => [...text.matchAll(/^#+ (.*)$/gm)].map((match) => anchorOf(match[1] ?? ''));
    const broken = [...textOf(file).matchAll(/\]\(([^)#\s]*)(?:#([^)\s]*))?\)/g)].filter(([, path = '', anchor]) => {
      if (/^https?:/.test(path)) return false;
      const target = path === '' ? file : join(file, '..', path);
      return !existsSync(join(ROOT, target)) || (anchor !== undefined && !anchorsOf(textOf(target)).includes(anchor));
    });
    expect(broken.map(([link]) => link)).toEqual([]);
  });

  it.each(ALL)('speak of the project only: %s', (file) => {
    expect(checkDocuments(new Map([[file, textOf(file)]]))).toEqual([]);
  });
});

describe('ARCHITECTURE.md', () => {
  it('names a file of tests for every law', () => {
    const laws = table(textOf('ARCHITECTURE.md'), 'law');
    expect(laws.map(([law]) => law?.split(' ')[0])).toEqual(Array.from({ length: 12 }, (_, n) => `L${n + 1}`));
    for (const [law, , tests = ''] of laws) {
      const files = [...tests.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');
      expect(files.length, law).toBeGreaterThan(0);
      for (const file of files) expect(file, law).toMatch(/^test\/.*\.test\.ts$/);
    }
  });

  it('names a file for every rule of the protocol', () => {
    const rules = table(textOf('ARCHITECTURE.md'), 'rule');
    expect(rules.map(([rule]) => rule?.split(' ')[0])).toEqual(Array.from({ length: 16 }, (_, n) => `P${n + 1}`));
    for (const [rule, files] of rules) expect(files, rule).toMatch(/`[a-z-]+\/[^`]+\.ts`/);
  });
});

describe('README.md', () => {
  it('shows a workflow that is valid, without a warning', async () => {
    const [workflow = ''] = blocks(textOf('README.md'), 'yaml');
    const { program, warnings } = await compileWorkflow({ text: workflow, file: 'README.md' }, memoryHost(), registry);
    expect(warnings).toEqual([]);
    expect(program.accept).toBe(20);
  });

  it('shows what the demo prints: the same counts and the same root as here', async () => {
    const folder = scratchFolder();
    const { code, stdout, stderr } = await mizu(['demo', join(folder, 'demo')]);
    expect(code, stderr).toBe(0);
    const printed = stdout.split('\n').map(withoutTime);
    const shown = blocks(textOf('README.md'), 'text demo').flatMap((block) => block.split('\n'));
    expect(shown.length).toBeGreaterThan(15);
    expect(shown.filter((line) => !printed.some((one) => matches(withoutTime(line), one)))).toEqual([]);
  }, 300_000);

  /** Seconds and rates are those of one machine. */
  function withoutTime(line: string): string {
    return line.replaceAll(/[\d.,]+ (?:s\b|candidates\/s)/g, '# s');
  }

  /** `…` stands for anything. */
  function matches(shown: string, printed: string): boolean {
    const [start = '', ...rest] = shown.split('…');
    return rest.length === 0 ? shown === printed : printed.startsWith(start) && printed.endsWith(rest.at(-1) ?? '');
  }
});

describe('documents/operators.md', () => {
  it('is what `mizu operators --markdown` prints (write it again when this fails)', () => {
    expect(textOf('documents/operators.md')).toBe(referenceMarkdown(registry));
  });
});

describe('documents/commands.md', () => {
  it('is what `npm run reference` writes (write it again when this fails)', () => {
    expect(textOf('documents/commands.md')).toBe(commandsMarkdown());
  });
});

describe('documents/workflow.md', () => {
  it('describes every section of a workflow, in order', () => {
    expect(table(textOf('documents/workflow.md'), 'section').map(([name]) => bare(name))).toEqual(SECTION_NAMES);
  });
});

describe('documents/bytes.md', () => {
  const bytes = textOf('documents/bytes.md');
  const digest = (n: number): Buffer => Buffer.alloc(32, n);
  const text = (letters: string): Buffer => Buffer.from(letters);

  const rejected: Drop = {
    kind: 'rejected',
    i: 3,
    stage: 0,
    op: 2,
    step: 'length-body',
    rule: 'length',
    measured: 1,
    limit: '2 to 3 words',
    code: '',
    message: '',
    winner: undefined,
    record: text('record'),
  };
  const duplicate: Drop = { ...rejected, kind: 'duplicate', rule: '', measured: undefined, limit: undefined, winner: { k: 70_000, i: 5 } };
  const effect: Effect = {
    verdicts: Uint8Array.of(0, 1),
    drops: [rejected, duplicate],
    changes: [{ field: 'body', rows: Uint32Array.of(0), values: text('value') }],
    answers: text('answers'),
    delta: text('delta'),
    charge: 9,
  };
  const counts = { in: 1, kept: 2, changed: 3, rejected: 4, failed: 5, duplicates: 6, flagged: 7 };
  const leaf = {
    program: digest(1),
    stage: 1,
    partition: -1,
    k: 2,
    block: 3,
    op: 4,
    step: 'dedup',
    opDigest: digest(2),
    input: digest(3),
    output: digest(4),
    counts,
    gas: 5,
    state: digest(6),
    root: undefined,
  };
  const frame = {
    k: 1,
    from: 2,
    to: 3,
    candidates: Uint32Array.of(7),
    keys: digest(1),
    digests: digest(2),
    lengths: Uint32Array.of(4),
    records: text('avro'),
    drops: [rejected],
  };
  const state = { k: 1, resumeAt: 2, deltas: [text('a'), text('')], states: [digest(3), digest(4)] };
  const winner = { winner: { k: 70_000, i: 5 } };

  it.each([
    [
      'Drop',
      encodeDrop(rejected),
      { kind: 'rejected', i: 3, op: 2, rule: 'length', measured: 1, limit: '2 to 3 words', record: text('record'), winner: null },
    ],
    ['Drop', encodeDrop(duplicate), { kind: 'duplicate', measured: null, ...winner }],
    ['Effect', encodeEffect(effect), { charge: 9, drops: [{ i: 3 }, winner], changes: [{ field: 'body', rows: Buffer.of(0, 0, 0, 0) }] }],
    ['Leaf', encodeLeaf(leaf), { ...leaf, version: 1, root: null }],
    [
      'Frame',
      encodeFrame(frame),
      { version: 1, k: 1, from: 2, to: 3, candidates: Buffer.of(7, 0, 0, 0), lengths: Buffer.of(4, 0, 0, 0), drops: [{ i: 3 }] },
    ],
    ['StateEntry', encodeStateEntry(state), state],
  ])('gives the schema of %s as the engine writes it (%#)', (name, written, expected) => {
    const known: Record<string, avsc.Type> = {};
    for (const schema of blocks(bytes, 'json avro')) avsc.Type.forSchema(JSON.parse(schema) as avsc.Schema, { registry: known });
    const type = known[name];
    const value: unknown = type?.fromBuffer(Buffer.from(written));
    expect(value).toMatchObject(expected);
    expect(type?.toBuffer(value)).toEqual(Buffer.from(written));
  });

  /** A run has one topic more where a model is asked. */
  const ASKING =
    'mizu: 1\nname: asking\nmodels: { small: { url: "http://127.0.0.1:1/v1" } }\nbudget: { candidates: 1 }\ngenerate: [{ inference: { as: a, model: small, prompt: Hello } }]\n';

  async function specsOf(...workflows: readonly string[]): Promise<{ name: string; cleanup: string }[]> {
    const compiled = await Promise.all(workflows.map((text) => compileWorkflow({ text, file: 'workflow.yaml' }, memoryHost(), registry)));
    const specs = compiled.flatMap(({ program }) => new RunTopics({ name: 'n', generation: 1 }).specs(program));
    return specs.map(({ name, cleanup }) => ({ name: name.slice('n.1.'.length).replace(/-\d+$/, '-STAGE'), cleanup }));
  }

  it('lists the topics that a run has, with their cleanup', async () => {
    const [workflow = ''] = blocks(textOf('README.md'), 'yaml');
    const made = (await specsOf(workflow, ASKING)).map(({ name, cleanup }) => `${name} ${cleanup}`);
    const listed = table(bytes, 'topic').map(([name, , cleanup]) => `${bare(name)} ${cleanup}`);
    expect(new Set(listed)).toEqual(new Set(made));
    expect(listed).toHaveLength(new Set(made).size);
  });

  it('lists every kind of control entry, result, request and question', () => {
    const shapes = textOf('engine/dispatch/entry-shapes.ts').split(/const (?:RESULT|REQUEST) =/);
    const kinds = [...shapes, textOf('engine/dispatch/question-entry.ts')].map((part) =>
      [...part.matchAll(/type: z\.literal\('([a-z-]+)'\)/g)].map((match) => match[1]),
    );
    expect(kinds.map((part) => part.length > 1)).toEqual([true, true, true, true]);
    const firsts = ['control entry', 'result', 'request', 'question'];
    expect(firsts.map((first) => table(bytes, first).map(([name]) => bare(name)))).toEqual(kinds);
  });

  it('gives every limit the value of its constant', () => {
    const limits = table(bytes, 'what');
    expect(limits.length).toBeGreaterThan(40);
    for (const [what, value = '', constant, file] of limits) {
      const source = new RegExp(`const ${bare(constant)} = ([^;]+);`).exec(textOf(bare(file)))?.[1];
      expect(source, `${bare(file)} has no constant ${bare(constant)} (${what})`).toBeDefined();
      expect(Number(value.replaceAll(',', '')), `${what}: ${source}`).toBe(evaluate(source ?? ''));
    }
  });

  /** Products, powers of two and shifts of whole numbers. */
  function evaluate(expression: string): number {
    return expression
      .replaceAll('_', '')
      .replaceAll(/(\d+) (?:\*\*|<<) (\d+)/g, (_all, base: string, power: string) =>
        String(Number(base === '1' ? 2 : base) ** Number(power)),
      )
      .split('*')
      .reduce((product, factor) => product * Number(factor), 1);
  }
});
