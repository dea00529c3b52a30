import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openLocalStorage } from '#connectors/embedded';
import {
  attestationKey,
  compileWorkflow,
  fromUtf8,
  globalStorage,
  type Json,
  MizuError,
  parseStrictJson,
  type Question,
  REQUEST_LIMIT_BYTES,
  TaskMachine,
  toHex,
  utf8,
  step,
  type StepDocument,
  workflow,
  type WorkflowDocument,
} from '#engine';
import { registry } from '#topologies';
import { readChatAnswer } from '../../../operators/generate/chat-answer.ts';
import { memoryHost } from '../../support/memory-host.ts';
import { scratchFolder } from '../../support/scratch.ts';

const ASK = { as: 'note', model: 'small', prompt: 'Write about {{product}}.' };
const folder = scratchFolder();

const documentOf = (
  inference: object,
  rules: readonly StepDocument[] = [],
  products: readonly (string | null)[] = ['a kettle', 'a lamp', 'a clock'],
): WorkflowDocument =>
  workflow({
    name: 'notes',
    seed: 3,
    budget: { candidates: 6 },
    task: { size: 6 },
    data: { products: { list: [...products] } },
    models: { small: { url: 'http://127.0.0.1:9/v1' }, smart: { url: 'http://127.0.0.1:9/v1' } },
  })
    .generate(step('select', { from: 'products', as: 'product' }), step('inference', inference))
    .verify(...rules).document;

async function problemsOf(inference: object): Promise<string> {
  try {
    await compileWorkflow({ file: 'w.yaml', spec: documentOf(inference) }, memoryHost(), registry);
  } catch (error) {
    if (error instanceof MizuError)
      return error.problems.map((one) => `${one.path}: ${one.message}; ${one.expected}; ${one.hint}`).join('\n');
    throw error;
  }
  return 'none';
}

/** What a task asks, when everybody is answered `Fine.` */
async function questionsOf(
  inference: object,
  rules: readonly StepDocument[] = [],
  products?: readonly (string | null)[],
): Promise<readonly Question[]> {
  const { program, digest, data } = await compileWorkflow(
    { file: 'w.yaml', spec: documentOf(inference, rules, products) },
    memoryHost(),
    registry,
  );
  const local = openLocalStorage(folder);
  const machine = await TaskMachine.open(
    { program, registry, storage: globalStorage([...data.values()]), local, expectedRecords: 6 },
    digest,
  );
  const asked: Question[] = [];
  await machine.execute({ k: 0, first: 0, count: 6, poison: [] }, async (questions) => {
    asked.push(...questions);
    return questions.map(() => ({
      kind: 'answer',
      response: utf8('{"choices":[{"finish_reason":"stop","message":{"content":"Fine."}}]}'),
    }));
  });
  await local.close();
  return asked;
}

const keysOf = (questions: readonly Question[]): readonly string[] => questions.map((question) => toHex(attestationKey('n', question)));

describe('a wrong inference step is a problem of the workflow (law 10)', () => {
  it.each([
    [{ ...ASK, model: 'smal' }, /model: There is no model 'smal' under `models`; small, smart; .*small/],
    [{ ...ASK, prompt: 'About {{produkt}}.' }, /There is no field 'produkt'.*product/],
    [{ ...ASK, system: 'You are {{.' }, /system: '\{\{' is never closed \(line 1, column 9 of the template\)/],
    [{ ...ASK, prompt: '' }, /prompt/],
    [{ ...ASK, temperature: -1 }, /temperature/],
    [{ ...ASK, maxTokens: 0 }, /maxTokens/],
    [{ ...ASK, stop: ['a', 'b', 'c', 'd', 'e'] }, /stop/],
    [{ ...ASK, as: 'product', modell: 'x' }, /modell/],
  ])('%j', async (inference, says) => {
    expect(await problemsOf(inference)).toMatch(says);
  });
});

describe('a question depends on candidate, step and parameters alone (P6)', () => {
  it('is a canonical body of chat completions with everything the author set, and a seed of its candidate', async () => {
    const [question] = await questionsOf({ ...ASK, system: 'Be brief.', maxTokens: 30, temperature: 0.5, topP: 0.9, stop: ['END'] });
    const body = parseStrictJson(question?.request ?? new Uint8Array(0));
    expect(body).toMatchObject({ model: 'small', max_tokens: 30, temperature: 0.5, top_p: 0.9, stop: ['END'] });
    expect(body).toMatchObject({
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: expect.stringMatching(/^Write about a/) },
      ],
    });
    const asked = await questionsOf(ASK);
    expect(asked.map((one) => one.candidate)).toEqual([0, 1, 2, 3, 4, 5]);
    const seeds = asked.map((one) => (parseStrictJson(one.request) as { readonly seed: number }).seed);
    expect(new Set(seeds).size).toBe(6);
    expect(fromUtf8(asked[0]?.request ?? new Uint8Array(0))).not.toContain('max_tokens');
  });

  it('a changed later step asks the same', async () => {
    const rule = step('length', { field: 'note', codepoints: [1, 9] });
    expect(keysOf(await questionsOf(ASK, [rule]))).toEqual(keysOf(await questionsOf(ASK)));
  });

  it('more draws ask the same: only what was broken is asked again', async () => {
    expect(keysOf(await questionsOf({ ...ASK, draws: 3 }))).toEqual(keysOf(await questionsOf(ASK)));
  });

  it('another draw, prompt or parameter asks anew', async () => {
    const changes = [{}, { draw: 1 }, { prompt: 'Say something of {{product}}.' }, { temperature: 0 }, { model: 'smart' }];
    const keys = (await Promise.all(changes.map((change) => questionsOf({ ...ASK, ...change })))).flatMap(keysOf);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('nobody is asked for a null, nothing, or more than a request may hold', async () => {
    expect(await questionsOf(ASK, [], [null, 'x'.repeat(REQUEST_LIMIT_BYTES)])).toEqual([]);
    expect(await questionsOf({ ...ASK, prompt: '{{product}}' }, [], ['', ' \n'])).toEqual([]);
  });
});

describe('reading an answer', () => {
  it('never throws, whatever came back', () => {
    const choice = fc.record({
      finish_reason: fc.constantFrom<Json>('stop', 'length', null, 1),
      message: fc.oneof(fc.jsonValue(), fc.record({ content: fc.jsonValue() })),
    });
    const body = fc.oneof(fc.jsonValue(), fc.record({ choices: fc.oneof(fc.jsonValue(), fc.array(choice, { maxLength: 2 })) }));
    fc.assert(
      fc.property(
        fc.oneof(
          body.map((value) => utf8(JSON.stringify(value).toWellFormed())),
          fc.uint8Array({ maxLength: 40 }),
        ),
        (response) => {
          const read = readChatAnswer(response);
          expect('text' in read ? typeof read.text : read.code).toMatch(/^string$|^(RESPONSE|ANSWER)_[A-Z]+$/);
        },
      ),
    );
  });

  it.each([
    ['{"choices":[{"finish_reason":"stop","message":{"content":"\\ud83d"}}]}', 'RESPONSE_MALFORMED'],
    ['{"choices":[{"finish_reason":"stop","message":{"content":null}}]}', 'RESPONSE_MALFORMED'],
    ['{"choices":[{"finish_reason":"tool_calls","message":{"content":"x"}}]}', 'ANSWER_UNFINISHED'],
    ['{"choices":[{"message":{"content":"x"}}]}', 'ANSWER_UNFINISHED'],
    ['{"error":{"message":"overloaded"}}', 'RESPONSE_MALFORMED'],
  ])('%s fails with %s', (response, code) => {
    expect(readChatAnswer(utf8(response))).toMatchObject({ code });
  });
});
