/** The shipped topology falling-stacks: its lists fit its engine, and its mixture is what its README says. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { stacks } from '#connectors/simulator';
import type { EngineInstance, Row } from '#engine';

const SEED = 'falling-stacks test';
const CANDIDATES = 400;

const folder = new URL('../../../topologies/falling-stacks/', import.meta.url);
const yaml = (name: string): unknown => parse(readFileSync(new URL(name, folder), 'utf8'));

const materials = z
  .array(z.strictObject({ name: z.string(), density: z.number(), friction: z.number(), restitution: z.number() }))
  .parse(yaml('lists/materials.yaml'));
const shapes = z
  .array(
    z.strictObject({ name: z.string(), form: z.string(), width: z.number(), height: z.number(), depth: z.number(), share: z.number() }),
  )
  .parse(yaml('lists/shapes.yaml'));

const step = z.record(z.string(), z.record(z.string(), z.unknown()));
const workflow = z.looseObject({ generate: z.array(step), verify: z.array(step) }).parse(yaml('workflow.yaml'));

/** Parameters of the step that writes `as`, or has this id. */
function paramsOf(name: string): Readonly<Record<string, unknown>> {
  const all = [...workflow.generate, ...workflow.verify].flatMap((entry) => Object.values(entry));
  const found = all.find((params) => params['id'] === name || params['as'] === name);
  if (found === undefined) throw new TypeError(`The workflow has no step ${name}`);
  return found;
}

const numbers = (value: unknown): readonly number[] => z.array(z.number()).parse(value);
const choices = Object.fromEntries(['drop', 'offset', 'tilt'].map((name) => [name, numbers(paramsOf(name)['choice'])]));
const [fewest = 0, most = 0] = numbers(paramsOf('bodies')['integer']);

/** Deterministic, and nothing the engine itself uses: the mixture must not hang on one stream of draws. */
function below(n: number, ...what: readonly (string | number)[]): number {
  return (
    createHash('sha256')
      .update([SEED, ...what].join('/'))
      .digest()
      .readUInt32BE(0) % n
  );
}

function inputOf(i: number): Row {
  const weighted = shapes.flatMap((shape) => Array.from({ length: shape.share }, () => shape));
  const { name: _material, ...material } = materials[below(materials.length, i, 'material')] ?? { name: '' };
  const shape = weighted[below(weighted.length, i, 'shape')];
  const drawn = Object.entries(choices).map(([name, values]) => [name, values[below(values.length, i, name)] ?? 0]);
  return {
    ...material,
    shape: shape?.form ?? '',
    width: shape?.width ?? 0,
    height: shape?.height ?? 0,
    depth: shape?.depth ?? 0,
    bodies: fewest + below(most - fewest + 1, i, 'bodies'),
    ...Object.fromEntries(drawn),
  };
}

describe('falling-stacks', () => {
  let instance: EngineInstance;
  let outputs: readonly Row[] = [];

  beforeAll(async () => {
    const drop = paramsOf('drop-stack');
    instance = await stacks.open(stacks.params.parse(drop['params']));
    outputs = Array.from(
      { length: CANDIDATES },
      (_, i) => instance.run(inputOf(i), createHash('sha256').update(`${SEED}/${i}`).digest()).output,
    );
  });

  it('names every input of its engine', () => {
    const given = new Set([
      ...Object.keys(z.record(z.string(), z.string()).parse(paramsOf('drop-stack')['with'])),
      ...Object.keys(choices),
      'bodies',
    ]);
    expect([...given].sort()).toEqual(stacks.input.map((field) => field.name).sort());
  });

  it('runs every material and every shape', async () => {
    const short = await stacks.open(stacks.params.parse({ steps: 1 }));
    const base = inputOf(0);
    for (const { name, ...material } of materials)
      expect(() => short.run({ ...base, ...material }, new Uint8Array(32)), name).not.toThrow();
    for (const { name, form, share: _, ...size } of shapes) {
      expect(() => short.run({ ...base, ...size, shape: form }, new Uint8Array(32)), name).not.toThrow();
    }
  });

  it('accepts a balanced mixture, and each of its rules rejects a visible share', () => {
    const maxGain = Number(paramsOf('energy')['max']);
    const maxOverlap = Number(paramsOf('penetration')['max']);
    const far = Number(paramsOf('far')['max']);
    const count = (rows: readonly Row[], test: (row: Row) => boolean): number => rows.filter(test).length;
    const settled = outputs.filter((row) => row['settled'] === true);
    const steady = settled.filter((row) => Number(row['energyGain']) <= maxGain);
    const kept = steady.filter((row) => Number(row['maxPenetration']) <= maxOverlap);
    for (const dropped of [CANDIDATES - settled.length, settled.length - steady.length, steady.length - kept.length]) {
      expect(dropped / CANDIDATES, `seed ${SEED}`).toBeGreaterThan(0.04);
      expect(dropped / CANDIDATES, `seed ${SEED}`).toBeLessThan(0.25);
    }
    for (const outcome of ['stands', 'leans', 'collapses']) {
      expect(count(kept, (row) => row['outcome'] === outcome) / kept.length, `${outcome}, seed ${SEED}`).toBeGreaterThan(0.24);
    }
    expect(
      count(kept, (row) => Number(row['topDisplacement']) > far),
      'some are corrected',
    ).toBeGreaterThan(0);
  });
});
