/** Where no WebAssembly module with a memory of some megabytes can be made, texts are gone through byte by byte, to the same end. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const execute = promisify(execFile);

const TEXT = `A first  line,\t${'of many Words '.repeat(40)}\n é `;
const SCRIPT = `
import { runRows, runTexts } from './test/unit/operators/run-rows.ts';
import { jsonVectors } from './operators/generate/json-text.ts';
const text = ${JSON.stringify(TEXT)};
const fields = { text: 'string' };
const rows = await runRows('read', { path: 'a.jsonl', format: 'jsonl', fields }, [{ $source: Buffer.from(JSON.stringify({ text })) }]);
const texts = await runTexts('normalize', { case: 'lower', whitespace: 'ascii' }, [text]);
console.log(JSON.stringify({ hasVectors: jsonVectors() !== undefined, rows, texts }));
`;

async function played(...flags: readonly string[]): Promise<unknown> {
  const { stdout } = await execute(process.execPath, [...flags, '--input-type=module', '--eval', SCRIPT], { cwd: ROOT });
  return JSON.parse(stdout);
}

it('without a module for vectors, steps make the same of texts', async () => {
  const rows = [{ row: { text: TEXT } }];
  const texts = [
    TEXT.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
      .replace(/[\t\n ]+/g, ' ')
      .trim(),
  ];
  expect(await played()).toEqual({ hasVectors: true, rows, texts });
  expect(await played('--wasm-max-mem-pages=64')).toEqual({ hasVectors: false, rows, texts });
});
