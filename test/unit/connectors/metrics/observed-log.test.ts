/** A log that is watched can do what it could before, and nothing that it could not. */
import { rmSync } from 'node:fs';
import { expect, it } from 'vitest';
import { openEmbeddedLog } from '#connectors/embedded';
import { openMetrics } from '#connectors/metrics';
import { offset } from '#engine';
import { quickFolder } from '../../../support/run-support.ts';

it('a watched log keeps what only some logs do, and adds it to no other', async () => {
  const metrics = await openMetrics({ name: 'm1', roles: ['node'], version: '1' });
  const directory = quickFolder();
  const log = await openEmbeddedLog({ directory });
  const spec = { name: 't', partitions: 1, cleanup: 'keep' } as const;
  const asked: unknown[] = [];
  const forgetful = new Proxy(log, {
    get(target, name) {
      if (name === 'begin') return async (topic: string) => offset(asked.push(topic));
      if (name === 'retain') return async (retained: unknown) => void asked.push(retained);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const seen = metrics.observe(forgetful);
  expect(await seen.begin?.('t', 0)).toBe(1);
  await seen.retain?.(spec);
  expect(asked).toEqual(['t', spec]);
  const plain = metrics.observe(log);
  expect([plain.begin, plain.retain]).toEqual([undefined, undefined]);
  await log.close();
  await metrics.close();
  rmSync(directory, { recursive: true, force: true });
});
