/**
 * What `mizu check` says of broken workflow files (law 10): one table, by what is wrong. Each ends with exit code 2, in bounded time and few words, and says
 * where it is, what was found, and what was expected or may be tried. `test/unit/compile/fuzz.test.ts` tries what nobody thought of.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { check } from '../../../cli/commands/check.ts';
import { Context } from '../../../cli/context.ts';
import { renderError } from '../../../cli/render-error.ts';
import { PROBLEMS_SHOWN } from '../../../engine/workflow/format-problems.ts';
import { WHOLE_FILE_LIMIT_BYTES } from '../../../topologies/host.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { DATA } from './bad-data-cases.ts';
import { WEIGHTS } from './bad-weight-cases.ts';
import { type Answer, type Case, HEAD, STEPS, TEXTS, WORKFLOWS } from './bad-workflow-cases.ts';

/** Most CPU time for one file, seconds: the slowest needs a third on a machine with other work. */
const CPU_SECONDS = 2;
/** Longest answer, characters: no file is so broken that more of it would help. */
const ANSWER_LIMIT = 20_000;

const CONTEXT = new Context({ log: '', json: true, quiet: true }, () => {});

/** What `check` prints of a file, and its exit code. */
async function checked(file: string): Promise<{ text: string; exitCode: number }> {
  try {
    const { result } = await check(CONTEXT, file, { set: [] });
    return { text: JSON.stringify(result), exitCode: 0 };
  } catch (error) {
    return renderError(error, false);
  }
}

/** A problem as it is printed, with all that belongs to it. */
function blockOf(text: string, folder: string, { at, message }: Answer): string | undefined {
  return text
    .replaceAll(`${folder}/`, '')
    .split('\n\n')
    .find(
      (block) =>
        block.startsWith(at) && (typeof message === 'string' ? block.includes(`  ${message}\n`) : message.test(block.split('  ')[1] ?? '')),
    );
}

function lineOf(block: string, label: string): string | undefined {
  return new RegExp(`^ {4}${label.padEnd(9)} (.*)$`, 'm').exec(block)?.[1];
}

async function isAnswered(folder: string, file: string, answer: Answer): Promise<void> {
  const before = process.cpuUsage();
  const { text, exitCode } = await checked(file);
  const { user, system } = process.cpuUsage(before);
  expect(exitCode).toBe(2);
  const block = blockOf(text, folder, answer);
  if (block === undefined) expect.fail(`no '${answer.at}  ${answer.message}' in:\n${text}`);
  expect([lineOf(block, 'value'), lineOf(block, 'expected'), lineOf(block, 'try')]).toEqual([answer.value, answer.expected, answer.try]);
  expect(answer.expected ?? answer.try).toBeDefined();
  expect(text.length).toBeLessThan(ANSWER_LIMIT);
  expect((user + system) / 1e6).toBeLessThan(CPU_SECONDS);
}

function tried(cases: readonly Case[]): void {
  cases.forEach(([what, workflow, answer, files = {}]) => {
    const folder = scratchFolder({ 'w.yaml': workflow, ...files });
    it(what, () => isAnswered(folder, join(folder, 'w.yaml'), answer));
  });
}

describe('of a workflow with', () => tried(WORKFLOWS));
describe('of a file that holds', () => tried(TEXTS));
describe('of weights', () => tried(WEIGHTS));
describe('of data, check says where and what to do when it', () => tried(DATA));

describe('of a workflow with more problems than anyone reads at once', () => {
  const folder = scratchFolder({ 'w.yaml': `${HEAD}${Array.from({ length: 1_000 }, (_, n) => `k${n}: 1\n`).join('')}${STEPS}` });

  it('it shows the first ones, and says how many there are', async () => {
    const { text } = await checked(join(folder, 'w.yaml'));
    expect(text).toContain(`w.yaml:${3 + PROBLEMS_SHOWN}:1  Unknown key 'k${PROBLEMS_SHOWN - 1}'`);
    expect(text).toMatch(new RegExp(`\nthe first ${PROBLEMS_SHOWN} of 1000 problems$`));
    expect(text.length).toBeLessThan(ANSWER_LIMIT);
  });
});

describe('of what is no file', () => {
  const folder = scratchFolder({ 'folder/w.yaml': '' });
  const hint = '  try: Give the path of a workflow file; `mizu init` writes one to start from.';

  it.each([
    ['nothing', join(folder, 'no.yaml'), 'there is no such file'],
    ['a folder', join(folder, 'folder'), 'it is a folder, not a file'],
    ['a file in the place of a folder', join(folder, 'folder/w.yaml/w.yaml'), 'a part of the path is a file, not a folder'],
    ['a device without an end', '/dev/zero', `it holds more than ${WHOLE_FILE_LIMIT_BYTES} bytes`],
  ])('%s', async (_what, file, reason) => {
    expect(await checked(file)).toMatchObject({ exitCode: 2, text: `error: Cannot read ${file}: ${reason}\n${hint}` });
  });
});

describe('what looks broken and is not', () => {
  it.each([
    ['a byte order mark at the start', `\uFEFF${HEAD}${STEPS}`],
    ['line ends of Windows', `${HEAD}${STEPS}`.replaceAll('\n', '\r\n')],
    ['JSON', '{"mizu":1,"name":"w","budget":{"candidates":10},"generate":[{"random":{"as":"n","integer":[1,6]}}]}'],
  ])('%s', async (_what, text) => {
    const folder = scratchFolder({ 'w.yaml': text });
    expect((await checked(join(folder, 'w.yaml'))).exitCode).toBe(0);
  });
});
