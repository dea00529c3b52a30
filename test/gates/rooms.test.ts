/**
 * The rooms, file lengths, words and calls of the whole tree (DESIGN: rooms; law 1). Every rule has a canary: a planted source that must be
 * reported, so that a rule which stopped seeing anything fails here.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkDocuments, checkSources, ROOMS } from './source-rules.ts';

const ROOT = join(import.meta.dirname, '../..');

/** This file and its rules must name what they forbid. */
const OWN_FILES = new Set(['test/gates/rooms.test.ts', 'test/gates/source-rules.ts', 'test/gates/biome.test.ts']);

function readTree(): Map<string, string> {
  const sources = new Map<string, string>();
  for (const room of ROOMS.filter((name) => existsSync(join(ROOT, name)))) {
    for (const path of readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })) {
      const file = `${room}/${path.replaceAll('\\', '/')}`;
      if (file.endsWith('.ts') && !OWN_FILES.has(file)) sources.set(file, readFileSync(join(ROOT, file), 'utf8'));
    }
  }
  return sources;
}

/** Documents, workflows and settings: everything that is committed to be read, beside the sources. */
function readDocuments(): Map<string, string> {
  const documents = new Map<string, string>();
  const add = (path: string): void => void documents.set(path, readFileSync(join(ROOT, path), 'utf8'));
  for (const name of readdirSync(ROOT)) if (/\.(md|json|ya?ml)$/.test(name)) add(name);
  for (const room of ['topologies', 'docker'].filter((name) => existsSync(join(ROOT, name)))) {
    for (const path of readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })) {
      if (/\.(md|json|ya?ml|txt)$/.test(path)) add(`${room}/${path.replaceAll('\\', '/')}`);
    }
  }
  return documents;
}

const OPENING = '/** An idea. */\n';

/** [rule, file, source that must be reported once] */
const CANARIES: readonly (readonly [rule: string, file: string, source: string])[] = [
  ['rooms', 'engine/proof/a.ts', "import { x } from '#connectors/kafka';"],
  ['rooms', 'engine/proof/a.ts', "import { x } from '../../operators/index.ts';"],
  ['rooms', 'engine/proof/a.ts', "export * from '../datavm/block.ts';"],
  ['rooms', 'engine/contract/a.ts', "import type { Leaf } from '../proof/leaf.ts';"],
  ['rooms', 'engine/compile/a.ts', "const x = await import('../runtime/run.ts');"],
  ['rooms', 'engine/dispatch/a.ts', "import {\n  x,\n  y,\n} from '../verify/replay.ts';"],
  ['rooms', 'engine/proof/a.ts', "import { x } from '../index.ts';"],
  ['rooms', 'engine/misc/a.ts', "import { x } from '../contract/ids.ts';"],
  ['rooms', 'operators/rule/a.ts', "import { x } from '../../engine/proof/jcs.ts';"],
  ['rooms', 'operators/rule/a.ts', "import { x } from '#connectors/files';"],
  ['rooms', 'connectors/files/a.ts', "import { x } from '../kafka/log.ts';"],
  ['rooms', 'connectors/files/a.ts', "import { x } from '#operators';"],
  ['rooms', 'cli/a.ts', "import { x } from '../engine/index.ts';"],
  ['rooms', 'topologies/a.ts', "import { x } from '../test/support/x.ts';"],
  ['rooms', 'operators/rule/a.ts', "import { x } from './b.js';"],
  ['file-length', 'engine/proof/a.ts', '//\n'.repeat(401)],
  ['forbidden-word', 'engine/proof/a.ts', '// TODO later'],
  ['forbidden-word', 'cli/a.ts', "const x = '/work/out';"],
  ['forbidden-word', 'test/unit/a.test.ts', "const x = '../shared/vectors';"],
  ['no-suppression', 'engine/proof/a.ts', '// @ts-expect-error'],
  ['no-bare-error', 'engine/proof/a.ts', "throw new Error('x');"],
  ['no-double-cast', 'engine/proof/a.ts', 'const x = y as unknown as Z;'],
  ['no-random', 'engine/datavm/a.ts', 'const x = Math.random();'],
  ['no-random', 'operators/select/a.ts', "import { randomUUID } from 'node:crypto';"],
  ['no-clock', 'operators/rule/a.ts', 'const x = Date.now();'],
  ['no-clock', 'operators/rule/a.ts', 'const x = `at ${new Date().getTime()}`;'],
  ['no-clock', 'connectors/simulator/a.ts', 'const x = performance.now();'],
  ['no-locale', 'operators/rule/a.ts', 'const x = n.toLocaleString();'],
  ['no-locale', 'operators/rule/a.ts', "const x = new Intl.Collator('de');"],
  ['no-locale', 'engine/datavm/a.ts', 'names.sort((a, b) => a.localeCompare(b));'],
  ['no-inexact-math', 'connectors/simulator/a.ts', 'const x = Math.cosh(y);'],
  ['no-inexact-math', 'connectors/simulator/a.ts', 'const x = Math.atan2(y, z);'],
  ['no-inexact-math', 'operators/rule/a.ts', 'const x = y ** z;'],
  ['no-inexact-math', 'operators/rule/a.ts', 'const x = 2 ** 0.5;'],
  ['opening-comment', 'engine/proof/a.ts', 'export const x = 1;'],
  ['error-cause', 'engine/proof/a.ts', "try { f(); } catch (error) { throw new MizuError('INTERNAL', 'x'); }"],
];

/** Sources in which no rule may see anything. */
const CLEAN: readonly (readonly [file: string, source: string])[] = [
  ['engine/proof/a.ts', "import { x } from '../contract/ids.ts';\nimport { y } from './merkle.ts';"],
  ['engine/index.ts', "export * from './verify/replay.ts';"],
  ['engine/verify/a.ts', "import { x } from '../dispatch/pool.ts';"],
  ['operators/rule/a.ts', "import { x } from '#engine';\nimport { y } from 'rxjs';\nimport { z } from '../fields.ts';"],
  [
    'operators/rule/a.ts',
    "// never Math.random\nconst x = 'Date.now';\nconst y = 2 ** 53 - 1;\nconst v = 10n ** n;\nconst z = /new Date/;\nconst w = `toLocale ${x}`;",
  ],
  ['operators/rule/a.ts', 'const example = "!body.contains(\'TODO\')";'],
  ['cli/a.ts', "import { x } from '#topologies';\nimport { y } from './b.ts';\nconst now = Date.now();"],
  ['test/unit/a.test.ts', "import { x } from '../../engine/proof/jcs.ts';\nthrow new Error('x');"],
  ['engine/proof/b.ts', "try { f(); } catch (error) { throw new MizuError('INTERNAL', `x`, { cause: error }); }"],
];

describe('the tree', () => {
  const report = checkSources(readTree());

  it('is looked at: files and imports were read', () => {
    process.stdout.write(`rooms: looked at ${report.files} files and ${report.imports} imports\n`);
    expect(report.files).toBeGreaterThan(10);
    expect(report.imports).toBeGreaterThan(10);
  });

  it('keeps every rule', () => {
    expect(report.violations.map((found) => `${found.file}:${found.line} ${found.rule}: ${found.detail}`)).toEqual([]);
  });
});

describe('the documents', () => {
  const documents = readDocuments();

  it('speak of the project only', () => {
    process.stdout.write(`rooms: looked at ${documents.size} documents\n`);
    expect(documents.size).toBeGreaterThan(3);
    expect(checkDocuments(documents)).toEqual([]);
  });

  it.each(['see ../shared/notes', '<!-- TODO: write this -->', 'run it in /root/mizu'])('would be reported for %j', (text) => {
    expect(checkDocuments(new Map([['README.md', text]]))).toHaveLength(1);
  });
});

describe('the rules', () => {
  it.each(CANARIES)('see %s in a bad %s (%#)', (rule, file, source) => {
    const text = rule === 'opening-comment' ? source : `${OPENING}${source}\n`;
    const found = checkSources(new Map([[file, text]])).violations.map((violation) => violation.rule);
    expect(found).toEqual([rule]);
  });

  it.each(CLEAN)('see nothing in a good %s (%#)', (file, source) => {
    expect(checkSources(new Map([[file, `${OPENING}${source}\n`]])).violations).toEqual([]);
  });

  it('have a canary each', () => {
    const rules = readFileSync(join(ROOT, 'test/gates/source-rules.ts'), 'utf8');
    const named = [...rules.matchAll(/report\('([a-z-]+)'|\['(no-[a-z-]+)'/g)].map((match) => match[1] ?? match[2]);
    expect(named.length).toBeGreaterThan(5);
    expect(new Set(CANARIES.map(([rule]) => rule))).toEqual(new Set(named));
  });
});
