/**
 * The canary of the lint gate: a linter with a misspelt rule or an empty file list is green and sees nothing (AESTHETICS: gates).
 * One folder of bad files is linted with the project's own biome.json; every rule that the house style relies on must report its file.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../support/scratch.ts';

const ROOT = join(import.meta.dirname, '../..');

/** [rule, file, source that breaks exactly what the rule forbids] */
const CANARIES: readonly (readonly [rule: string, file: string, source: string])[] = [
  ['style/noEnum', 'engine/proof/enum.ts', 'export enum Colour {\n  Red,\n}\n'],
  ['style/noParameterProperties', 'engine/proof/parameter.ts', 'export class P {\n  constructor(public readonly x: number) {}\n}\n'],
  ['style/noDefaultExport', 'engine/proof/default.ts', 'export default 1;\n'],
  ['style/noNonNullAssertion', 'engine/proof/bang.ts', "export const f = (m: Map<string, number>): number => m.get('a')!;\n"],
  ['style/noProcessEnv', 'engine/proof/env.ts', 'export const home = process.env.HOME;\n'],
  ['style/useFilenamingConvention', 'engine/proof/CamelCase.ts', 'export const x = 1;\n'],
  ['style/useImportType', 'engine/proof/import-type.ts', "import { T } from './types.ts';\nexport const f = (t: T): T => t;\n"],
  [
    'style/noExcessiveLinesPerFile',
    'engine/proof/long-file.ts',
    Array.from({ length: 401 }, (_, i) => `export const x${i} = ${i};\n`).join(''),
  ],
  [
    'complexity/noExcessiveLinesPerFunction',
    'engine/proof/long-function.ts',
    `export function f(x: number[]): void {\n${'  x.push(1);\n'.repeat(61)}}\n`,
  ],
  ['suspicious/noExplicitAny', 'engine/proof/any.ts', 'export const x: any = 1;\n'],
  ['suspicious/noConsole', 'engine/proof/console.ts', "export const f = (): void => console.log('x');\n"],
  ['suspicious/noTsIgnore', 'engine/proof/ignore.ts', "// @ts-ignore\nexport const q: number = 'x';\n"],
  ['suspicious/noImportCycles', 'engine/proof/cycle-a.ts', "import { b } from './cycle-b.ts';\nexport const a = (): unknown => b;\n"],
  ['suspicious/noImportCycles', 'engine/proof/cycle-b.ts', "import { a } from './cycle-a.ts';\nexport const b = (): unknown => a;\n"],
  [
    'nursery/noFloatingPromises',
    'engine/proof/floating.ts',
    'async function work(): Promise<number> {\n  return 1;\n}\nexport function go(): void {\n  work();\n}\n',
  ],
  [
    'nursery/noMisusedPromises',
    'engine/proof/misused.ts',
    'async function work(): Promise<boolean> {\n  return true;\n}\nexport function go(): number {\n  if (work()) return 1;\n  return 2;\n}\n',
  ],
  [
    'nursery/useExhaustiveSwitchCases',
    'engine/proof/switch.ts',
    "export function f(k: 'a' | 'b'): number {\n  switch (k) {\n    case 'a':\n      return 1;\n  }\n  return 2;\n}\n",
  ],
  ['correctness/noUndeclaredDependencies', 'engine/proof/undeclared.ts', "import x from 'left-pad';\nexport const y = x;\n"],
  ['correctness/noUnusedVariables', 'engine/proof/unused.ts', 'export function f(): void {\n  const x = 1;\n}\n'],
  ['correctness/noUnusedImports', 'engine/proof/unused-import.ts', "import { a } from './types.ts';\nexport const x = 1;\n"],
  ['style/noRestrictedImports', 'engine/proof/door.ts', "import { e } from '#engine';\nexport const x = e;\n"],
  ['style/noRestrictedImports', 'engine/proof/connector.ts', "import { e } from '#connectors/kafka';\nexport const x = e;\n"],
  ['style/noRestrictedImports', 'engine/proof/operator.ts', "import { e } from '../../operators/index.ts';\nexport const x = e;\n"],
  ['style/noRestrictedImports', 'operators/rule/inside.ts', "import { e } from '../../engine/proof/x.ts';\nexport const x = e;\n"],
  ['style/noRestrictedImports', 'operators/rule/connector.ts', "import { e } from '#connectors/files';\nexport const x = e;\n"],
  ['style/noRestrictedImports', 'connectors/files/operator.ts', "import { e } from '#operators';\nexport const x = e;\n"],
  ['style/noRestrictedImports', 'connectors/files/test.ts', "import { e } from '../../test/x.ts';\nexport const x = e;\n"],
  ['style/noRestrictedImports', 'cli/inside.ts', "import { e } from '../engine/proof/x.ts';\nexport const x = e;\n"],
  ['style/noRestrictedImports', 'topologies/test.ts', "import { e } from '../test/x.ts';\nexport const x = e;\n"],
];

/** What may stand: the same rules must leave these alone. */
const CLEAN: Readonly<Record<string, string>> = {
  'operators/rule/clean.ts':
    "import { e } from '#engine';\nimport { map } from 'rxjs';\nimport { f } from '../fields.ts';\nexport const x = [e, f, map];\n",
  'cli/clean.ts': "import { e } from '#engine';\nimport { k } from '#connectors/files';\nexport const x = [e, k, process.env.HOME];\n",
};

describe('the lint gate', () => {
  const files = { ...CLEAN, ...Object.fromEntries(CANARIES.map(([, file, source]) => [file, source])) };
  const folder = scratchFolder({
    ...files,
    'biome.json': readFileSync(join(ROOT, 'biome.json'), 'utf8').replace(/"\$schema": "[^"]*",/, ''),
    'tsconfig.json': readFileSync(join(ROOT, 'tsconfig.json'), 'utf8'),
    'package.json': '{ "name": "canary", "dependencies": { "rxjs": "7" } }',
  });
  const biome = join(ROOT, 'node_modules/.bin/biome');
  const run = spawnSync(biome, ['lint', '.', '--reporter=github', '--max-diagnostics=none'], { cwd: folder, encoding: 'utf8' });
  const reports = [...run.stdout.matchAll(/title=lint\/([^,]+),file=([^,]+),/g)].map(
    ([, rule, file]) => `${rule} ${file?.replace(`${folder}/`, '')}`,
  );

  it('fails on bad files', () => {
    expect(run.status).toBe(1);
  });

  it.each(CANARIES)('reports %s in %s', (rule, file) => {
    expect(reports).toContain(`${rule} ${file}`);
  });

  it.each(Object.keys(CLEAN))('leaves %s alone', (file) => {
    expect(reports.filter((report) => report.endsWith(` ${file}`))).toEqual([]);
  });
});
