/**
 * The determinism vectors: inputs with the outcome that every machine gives (`vectors.json`), the documented examples of every operator, and the run that each
 * simulator is checked by. A machine that computes anything else may be no node: its results would be refused, and its replays would accuse others (law 1).
 */
import { readFileSync } from 'node:fs';
import type { Json } from '#engine';
import { engineDrift, messageOf, MizuError, sha256, toHex } from '#engine';
import { z } from 'zod';
import { fileProblem } from '../host.ts';
import { registry } from '../registry.ts';
import { compute, outcomesJson, runOperator } from './families.ts';
import { type Difference, firstDifference } from './first-difference.ts';

const PUBLISHED = new URL('./vectors.json', import.meta.url);

const FILE = z.strictObject({
  about: z.string(),
  vectors: z.array(z.strictObject({ family: z.string(), name: z.string(), input: z.json(), expected: z.json() })).min(1),
});

interface DeterminismVector {
  readonly family: string;
  readonly name: string;
  readonly expected: Json;
  readonly compute: () => Promise<Json>;
}

export interface VectorFile {
  /** SHA-256 of the file, hexadecimal. */
  readonly digest: string;
  readonly vectors: z.infer<typeof FILE>['vectors'];
}

/** A vector with another outcome than expected: the first place where they differ. */
export interface WrongVector extends Difference {
  readonly family: string;
  readonly name: string;
}

export interface VectorsReport {
  /** Vectors by family, in order. */
  readonly counts: Readonly<Record<string, number>>;
  readonly wrong: readonly WrongVector[];
}

/** @param file default: the vectors that come with Mizu. @throws NOT_FOUND, FILE_UNREADABLE, INPUT_INVALID. */
export function readVectors(file?: string): VectorFile {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file ?? PUBLISHED);
  } catch (error) {
    throw fileProblem(file ?? 'vectors.json', error);
  }
  try {
    return { digest: toHex(sha256(bytes)), vectors: FILE.parse(JSON.parse(bytes.toString('utf8'))).vectors };
  } catch (error) {
    throw new MizuError('INPUT_INVALID', `${file ?? 'vectors.json'} holds no determinism vectors: ${messageOf(error)}`, {
      cause: error,
      hint: 'Its form is that of topologies/determinism/vectors.json.',
    });
  }
}

/** Runs all of them: those of the file, then examples and simulators. @param onDone is told how many are done. */
export async function runVectors(file: VectorFile, onDone: (done: number) => void = () => undefined): Promise<VectorsReport> {
  const counts: Record<string, number> = {};
  const wrong: WrongVector[] = [];
  let done = 0;
  for (const { family, name, expected, compute: run } of [...published(file), ...examples(), ...simulators()]) {
    const got = await run().catch((error: unknown): Json => ({ threw: messageOf(error) }));
    counts[family] = (counts[family] ?? 0) + 1;
    const difference = firstDifference(expected, got);
    if (difference !== undefined) wrong.push({ family, name, ...difference });
    onDone(++done);
  }
  return { counts, wrong };
}

function published({ vectors }: VectorFile): DeterminismVector[] {
  return vectors.map(({ family, name, input, expected }) => ({ family, name, expected, compute: () => compute(family, input) }));
}

function examples(): DeterminismVector[] {
  return registry.operators.flatMap(({ name, examples: all }) =>
    all.map((example) => ({
      family: 'examples of operators',
      name: `${name}: ${example.title}`,
      expected: outcomesJson(example.output),
      compute: () => runOperator(name, example),
    })),
  );
}

function simulators(): DeterminismVector[] {
  return registry.engines.map((engine) => {
    const expected: Json = JSON.parse(JSON.stringify(engine.check.output));
    return { family: 'simulators', name: engine.name, expected, compute: async () => (await engineDrift(engine))?.got ?? expected };
  });
}
