import { defineConfig } from 'vitest/config';
import { LongFirst } from './test/support/long-first.ts';

const ALL = 'test/**/*.test.ts';
/** Tests of functions that leave nothing behind share a process, and load what they test once: that takes a quarter less time. */
const PURE = ['operators', 'wasm', 'proof', 'workflow', 'compile', 'datavm', 'dispatch'].map((room) => `test/unit/${room}/**/*.test.ts`);

export default defineConfig({
  test: {
    globalSetup: ['test/support/compile-cache.ts', 'test/support/parts/shared-parts.ts'],
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: LongFirst },
    testTimeout: 120_000,
    hookTimeout: 180_000,
    projects: [
      { extends: true, test: { name: 'own process', include: [ALL], exclude: PURE } },
      { extends: true, test: { name: 'shared process', include: PURE, isolate: false } },
    ],
  },
});
