/**
 * A step that ends its worker thread, once: at a given candidate, as long as its mark (a file) is not there. It keeps every record, so a run in
 * which a thread died must end as one in which none did.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { defineOperator, type Registry } from '#engine';
import { registry } from '#topologies';

const params = z.strictObject({
  mark: z.string().describe('File that says that it happened.'),
  candidate: z.int().describe('At which candidate of the run.'),
  how: z
    .enum(['exit', 'uncaught', 'defect'])
    .describe('`exit`: the thread ends; `uncaught`: an error nobody catches; `defect`: the operator throws.'),
});

const fragile = defineOperator({
  name: 'fragile',
  version: 1,
  group: 'rule',
  kind: 'row',
  summary: 'Ends its worker thread, once.',
  description: 'For tests.',
  params,
  examples: [],
  gas: { perRecord: 1, per64Bytes: 0 },
  defaultId: () => 'fragile',
  plan: (p) => [{ params: { ...p }, reads: [], writes: [] }],
  open(op) {
    const { mark, candidate, how } = params.parse(op.params);
    return {
      execute(input) {
        if (existsSync(mark) || ![...input.rows].some((row) => input.candidate(row) === candidate)) return;
        writeFileSync(mark, how);
        if (how === 'defect') throw new TypeError('a defect of this operator');
        if (how === 'exit') process.exit(3);
        queueMicrotask(() => {
          throw new TypeError('an error nobody catches');
        });
      },
    };
  },
});

export const FRAGILE_REGISTRY: Registry = { ...registry, operators: [...registry.operators, fragile] };
export const FRAGILE_WORKER_URL = new URL('./run-support-fragile-worker.ts', import.meta.url);
