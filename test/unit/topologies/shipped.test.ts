/** The shipped workflows compile without a warning, and mail-curation reads every mail of its corpus. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openFileSource } from '#connectors/files';
import { engines as simulators } from '#connectors/simulator';
import { compileWorkflow } from '#engine';
import type { Compiled, SourceRequest } from '#engine';
import { engines, operators } from '#operators';

const registry = { operators, engines: [...engines, ...simulators] };
const folderOf = (name: string): string => fileURLToPath(new URL(`../../../topologies/${name}/`, import.meta.url));

async function compiled(name: string, requests: SourceRequest[] = []): Promise<Compiled> {
  const folder = folderOf(name);
  const host = {
    readFile: (path: string) => readFile(join(folder, path)),
    openSource: async (request: SourceRequest) => {
      requests.push(request);
      return (await openFileSource(request, folder)).info;
    },
  };
  return compileWorkflow({ file: 'workflow.yaml', text: await readFile(join(folder, 'workflow.yaml'), 'utf8') }, host, registry);
}

describe('falling-stacks', () => {
  it('compiles without a warning, to exactly 1,000 accepted records in one last stage', async () => {
    const { program, warnings } = await compiled('falling-stacks');
    expect(warnings).toEqual([]);
    expect(program).toMatchObject({ accept: 1000, budget: { candidates: 4000 } });
    expect(program.stages.map((stage) => stage.kind)).toEqual(['source', 'keyed', 'last']);
  });
});

describe('support-tickets', () => {
  it('compiles without a warning; its rubric and lists are in the program, and each try of a repair has ops of its own', async () => {
    const { program, warnings } = await compiled('support-tickets');
    expect(warnings).toEqual([]);
    expect(program).toMatchObject({ accept: 20, budget: { candidates: 80 } });
    const ids = program.stages[0]?.ops.map(({ id }) => id) ?? [];
    expect(ids.slice(ids.indexOf('quality.judge1'))).toEqual([
      'quality.judge1',
      'quality.score',
      'quality.try1',
      'quality.try1.judge1',
      'quality.try1.score',
      'quality',
    ]);
    expect(JSON.stringify(program)).toContain('about the product and its fault');
  });
});

describe('mail-curation', () => {
  it('compiles without a warning, and reads all 6,046 mails of the five folders and nothing else', async () => {
    const requests: SourceRequest[] = [];
    const { program, warnings } = await compiled('mail-curation', requests);
    expect(warnings).toEqual([]);
    expect(program.source).toMatchObject({ format: 'text', records: 6046 });
    const [request] = requests;
    if (request === undefined) throw new TypeError('The workflow opened no source');
    const perFolder: Record<string, number> = {};
    for await (const [record] of (await openFileSource(request, folderOf('mail-curation'))).records(0)) {
      if (record === undefined) throw new TypeError('A batch of records is empty');
      // Every path is shorter than 128 bytes: its length is one byte.
      const path = Buffer.from(record.subarray(1, 1 + (record[0] ?? 0))).toString();
      expect(path).toMatch(/^[a-z]+(-[a-z]+)?-\d\/\d{5}\.[0-9a-f]{32}\.txt$/);
      const folder = path.split('/')[0] ?? '';
      perFolder[folder] = (perFolder[folder] ?? 0) + 1;
    }
    expect(perFolder).toEqual({ 'easy-ham-1': 2500, 'easy-ham-2': 1400, 'hard-ham-1': 250, 'spam-1': 500, 'spam-2': 1396 });
  });
});
