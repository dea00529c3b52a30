/** The canaries of the type and dead-code gates: each tool, under the project's own settings, must report what is planted. */
import { spawnSync } from 'node:child_process';
import { readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../support/scratch.ts';

const ROOT = join(import.meta.dirname, '../..');

function runTool(tool: string, args: readonly string[], folder: string): { status: number | null; output: string } {
  const run = spawnSync(join(ROOT, 'node_modules/.bin', tool), args, { cwd: folder, encoding: 'utf8' });
  return { status: run.status, output: `${run.stdout}${run.stderr}` };
}

describe('the type gate', () => {
  /** [file, error code of TypeScript, source] */
  const canaries = [
    ['unchecked-index.ts', 'TS2322', 'export const f = (x: number[]): number => x[0];\n'],
    ['optional.ts', 'TS2375', 'export const x: { a?: number } = { a: undefined };\n'],
    ['override.ts', 'TS4114', 'class A {\n  f(): void {}\n}\nexport class B extends A {\n  f(): void {}\n}\n'],
    ['enum.ts', 'TS1294', 'export enum E {\n  A,\n}\n'],
    ['type-import.ts', 'TS1484', "import { T } from './types.ts';\nexport const f = (t: T): T => t;\n"],
    ['unused.ts', 'TS6133', 'export function f(): void {\n  const x = 1;\n}\n'],
    ['implicit.ts', 'TS7006', 'export const f = (x): void => {};\n'],
    [
      'fallthrough.ts',
      'TS7029',
      'export function f(x: number): void {\n  switch (x) {\n    case 1:\n      f(2);\n    case 2:\n      f(3);\n  }\n}\n',
    ],
  ] as const;
  const folder = scratchFolder({
    ...Object.fromEntries(canaries.map(([file, , source]) => [`engine/${file}`, source])),
    'engine/types.ts': 'export interface T {\n  readonly a: number;\n}\n',
    'package.json': '{ "type": "module" }',
    'tsconfig.json': readFileSync(join(ROOT, 'tsconfig.json'), 'utf8'),
  });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const { status, output } = runTool('tsc', ['-p', 'tsconfig.json', '--pretty', 'false'], folder);

  it.each(canaries)('reports %s as %s', (file, code) => {
    expect(status).not.toBe(0);
    expect(output.split('\n').some((line) => line.startsWith(`engine/${file}`) && line.includes(code))).toBe(true);
  });

  it('leaves a good file alone', () => {
    expect(output).not.toContain('engine/types.ts(');
  });
});

describe('the dead-code gate', () => {
  const { ignoreDependencies: _, $schema: __, ...settings } = JSON.parse(readFileSync(join(ROOT, 'knip.json'), 'utf8'));
  const folder = scratchFolder({
    'package.json':
      '{ "name": "canary", "type": "module", "dependencies": { "left-pad": "1" }, "imports": { "#engine": "./engine/index.ts" } }',
    'knip.json': JSON.stringify(settings),
    'cli/main.ts': "import { used } from '#engine';\nused();\n",
    'topologies/worker.ts': "import '#engine';\n",
    'test/run.ts': 'export {};\n',
    'test/gates/run.ts': 'export {};\n',
    'engine/index.ts': "export * from './live.ts';\n",
    'engine/live.ts': 'export function used(): void {}\nexport function deadExport(): void {}\nexport interface DeadType {}\n',
    'engine/dead-file.ts': 'export const x = 1;\n',
  });
  const { status, output } = runTool('knip', ['--no-progress', '--reporter', 'compact'], folder);

  it.each(['dead-file.ts', 'deadExport', 'DeadType', 'left-pad'])('reports %s', (name) => {
    expect(status).not.toBe(0);
    expect(output).toContain(name);
  });

  it('leaves used code alone', () => {
    expect(output).not.toMatch(/\bused\b(?! )/);
  });
});
