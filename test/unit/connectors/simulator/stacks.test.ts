/** Laws of the data engine `stacks`: determinism (1), bounded memory (6), faults that stay in their record (5, 10). */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { beforeAll, describe, expect, it } from 'vitest';
import RAPIER from '@dimforge/rapier3d-deterministic-compat';
import { RecordFault } from '#engine';
import type { EngineInstance, Row } from '#engine';
import { engines, stacks } from '#connectors/simulator';
import { StackWorld } from '../../../../connectors/simulator/stack-world.ts';
import { BODIES_LIMIT, readStackInput } from '../../../../connectors/simulator/stack-input.ts';

const STEPS = 60;
setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

const MEMORY_SLACK_BYTES = 4_000_000;
const TOWER: Row = {
  density: 700,
  friction: 0.5,
  restitution: 0.1,
  shape: 'box',
  width: 0.4,
  height: 0.4,
  depth: 0.4,
  bodies: 4,
  drop: 0.05,
  offset: 0.1,
  tilt: 0.04,
};

const seed = (n: number): Uint8Array => createHash('sha256').update(`seed ${n}`).digest();
const open = (steps = STEPS): Promise<EngineInstance> => stacks.open(stacks.params.parse({ steps }));

/** The code of the fault a record gets; fails the test when there is none or the attempt would end. */
function faultOf(instance: EngineInstance, row: Row): string {
  try {
    instance.run(row, seed(0));
  } catch (error) {
    if (error instanceof RecordFault) return error.code;
    throw error;
  }
  return 'no fault';
}

describe('stacks', () => {
  let instance: EngineInstance;

  beforeAll(async () => {
    instance = await open();
  });

  it('is the one engine that the connector offers', () => {
    expect(engines.map((engine) => engine.name)).toEqual(['stacks']);
  });

  it('gives the same bytes for the same seed, whatever ran before, in another instance and in a worker thread', async () => {
    const first = JSON.stringify(instance.run(TOWER, seed(1)));
    for (let n = 2; n < 12; n += 1) instance.run({ ...TOWER, shape: n % 2 === 0 ? 'cylinder' : 'ball' }, seed(n));
    expect(JSON.stringify(instance.run(TOWER, seed(1)))).toBe(first);
    expect(JSON.stringify((await open()).run(TOWER, seed(1)))).toBe(first);
    const worker = new Worker(new URL('./run-in-worker.ts', import.meta.url), {
      workerData: { params: { steps: STEPS }, input: TOWER, seed: seed(1) },
    });
    const [message] = await once(worker, 'message');
    expect(message).toBe(first);
  });

  it('gives the bytes that were recorded once, on every platform', () => {
    const recorded = [1, 2, 3].map(
      (n) => instance.run({ ...TOWER, shape: ['box', 'cylinder', 'ball'][n - 1] ?? '' }, seed(n)).output['snapshot'],
    );
    expect(recorded).toEqual([
      '14478b61c5d0d0d23f6bd1d5549cc4c399af84190c74bee5e0d4a43d04d50747',
      '507edab958b3e6709d392b1618f41b9a84ecb3a043306ab13f704e09c6b8621f',
      'd64d3dcd8b802a55ef0cb9ed26d604864febc4dbcff9ab3355f585be9c29a644',
    ]);
  });

  it('gives another world for another seed', () => {
    const worlds = new Set(Array.from({ length: 20 }, (_, n) => instance.run(TOWER, seed(n)).output['snapshot']));
    expect(worlds.size).toBe(20);
  });

  it('fills exactly the output fields that it declares', () => {
    const { output } = instance.run(TOWER, seed(3));
    expect(Object.keys(output).sort()).toEqual(stacks.output.map((field) => field.name).sort());
  });

  it('charges steps times bodies', () => {
    expect(instance.run(TOWER, seed(1)).gas).toBe(STEPS * 4);
  });

  it('says what physics says of the plain cases', async () => {
    const long = await open(150);
    const still = { ...TOWER, drop: 0, offset: 0, tilt: 0, restitution: 0 };
    expect(long.run(still, seed(1)).output).toMatchObject({ outcome: 'stands', settled: true, fallen: 0 });
    expect(long.run({ ...still, shape: 'ball', offset: 0.5 }, seed(1)).output).toMatchObject({ outcome: 'collapses' });
    const aside = long.run({ ...still, bodies: 2, offset: 0.35, friction: 1 }, seed(4)).output;
    expect(aside).toMatchObject({ outcome: 'leans', settled: true, fallen: 0 });
    expect(Number(aside['topDisplacement'])).toBeGreaterThan(0.15 * 0.4);
  });

  it('keeps the energy it was given: density × volume × g × height at the start, little gained by the solver', () => {
    const { output } = instance.run({ ...TOWER, bodies: 1, drop: 1, offset: 0, tilt: 0 }, seed(1));
    // 700 kg/m³ × 0.064 m³ × 9.81 m/s² × (0.2 + 1) m; rapier counts in 32-bit floats.
    expect(Number(output['energyStart'])).toBeCloseTo(527.4, 1);
    expect(Number(output['energyGain'])).toBeLessThan(0.01);
  });

  it('holds no memory of worlds that were run', async () => {
    const short = await open(2);
    const external = (worlds: () => void): number => {
      worlds();
      // Bytes that nobody holds count until they are collected.
      collectGarbage();
      return process.memoryUsage().external;
    };
    const runs = (count: number) => () => {
      for (let n = 0; n < count; n += 1) short.run(TOWER, seed(n));
    };
    const warm = external(runs(100));
    // WebAssembly memory counts as external, as do the snapshots' bytes; a world takes about 34 kB.
    expect(external(runs(600)) - warm).toBeLessThan(MEMORY_SLACK_BYTES);
    const kept: StackWorld[] = [];
    const leaked = external(() => {
      for (let n = 0; n < 600; n += 1) kept.push(new StackWorld(readStackInput(TOWER), seed(n)));
    });
    // The canary: worlds that are not freed are seen.
    expect(leaked - warm).toBeGreaterThan(2 * MEMORY_SLACK_BYTES);
    for (const world of kept) world.free();
  });

  it('fails the record, not the attempt, for every input that makes no sense', () => {
    const cases: readonly (readonly [Partial<Row>, string])[] = [
      [{ density: 0 }, 'INPUT_OUT_OF_RANGE'],
      [{ density: Number.NaN }, 'INPUT_OUT_OF_RANGE'],
      [{ friction: -0.1 }, 'INPUT_OUT_OF_RANGE'],
      [{ restitution: 1.5 }, 'INPUT_OUT_OF_RANGE'],
      [{ width: Number.POSITIVE_INFINITY }, 'INPUT_OUT_OF_RANGE'],
      [{ height: 0 }, 'INPUT_OUT_OF_RANGE'],
      [{ bodies: BODIES_LIMIT + 1 }, 'INPUT_OUT_OF_RANGE'],
      [{ bodies: 2.5 }, 'INPUT_NOT_WHOLE'],
      [{ tilt: 'much' }, 'INPUT_OUT_OF_RANGE'],
      [{ shape: 'pyramid' }, 'SHAPE_UNKNOWN'],
    ];
    for (const [change, code] of cases) {
      const row = Object.fromEntries(Object.entries({ ...TOWER, ...change }).map(([name, value]) => [name, value ?? null]));
      expect(faultOf(instance, row), JSON.stringify(change)).toBe(code);
    }
    expect(instance.run(TOWER, seed(1)).output['fallen'], 'and the instance goes on').toBeTypeOf('number');
  });

  it('refuses step counts beyond its limit when it is opened', () => {
    expect(stacks.params.safeParse({ steps: 0 }).success).toBe(false);
    expect(stacks.params.safeParse({ steps: 1e9 }).success).toBe(false);
    expect(stacks.params.safeParse({ stepps: 5 }).success).toBe(false);
  });

  it('runs on the deterministic build', () => {
    expect(RAPIER.version()).toMatch(/^0\.21\./);
  });
});
