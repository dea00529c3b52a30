/**
 * A full disk under the local storage of one process of a network (laws 4, 10): it says DISK_FULL and gives back the partitions that it holds; others do them, or it does
 * itself once there is room. Nothing is lost, and the root is that of an undisturbed run. A real disk that is full: test/fault/network-kafka.test.ts.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { type LocalStorage, MizuError, ROLES, type ServeEvent } from '#engine';
import { runCompiled, withQuickLog, withWorkflow } from '../support/run-support.ts';
import { longFiles } from '../support/run-support-workflows.ts';
import { closed, deployed, endProcesses, startProcess, STUCK_MS } from '../support/served-run.ts';

const SIZE = 600;

afterEach(endProcesses);

/** A real storage, on a disk that is full as long as somebody says so. */
function storageOf(disk: { full: boolean }) {
  return (local: LocalStorage): LocalStorage => ({
    openKeyIndex(name, expectedKeys) {
      const index = local.openKeyIndex(name, expectedKeys);
      const { addAll } = index;
      index.addAll = (...keys) => {
        if (disk.full) throw new MizuError('DISK_FULL', "The exact index can't grow: no room", { component: name });
        addAll.apply(index, keys);
      };
      return index;
    },
    close: () => local.close(),
  });
}

/** The codes of what a process told to have failed, by role. */
function failuresOf(events: readonly ServeEvent[]): readonly (readonly [string, string])[] {
  return events.flatMap((event) => {
    if (event.type === 'trouble') return [['trouble', String(event.error)] as const];
    if (event.type !== 'event' || event.event.type !== 'failed') return [];
    const { name, error } = event.event;
    return [[name, error instanceof MizuError ? error.code : String(error)] as const];
  });
}

describe('a process whose disk is full', () => {
  it('tells it and gives its partitions back; another process does them, to the root of an undisturbed run', {
    timeout: STUCK_MS,
  }, async () => {
    await withWorkflow(longFiles('w', SIZE), async (workflow) => {
      const expected = await withQuickLog((log) => runCompiled(workflow, { log, order: 3 }));
      await withQuickLog(async (log) => {
        const events: ServeEvent[] = [];
        startProcess(log, 'brain', ['orchestrator', 'checkpointer']);
        startProcess(log, 'full', ['node'], { storage: storageOf({ full: true }), onEvent: (event) => void events.push(event) });
        const { run } = await deployed(log, workflow, { nodes: 2 });
        // It is the only node until it has met its disk, so it holds every partition.
        await expect.poll(() => failuresOf(events).length, { timeout: STUCK_MS }).toBeGreaterThan(1);
        startProcess(log, 'roomy', ['node']);
        const summary = await closed(log, run);
        expect([summary.root, summary.accepted]).toEqual([expected.root, expected.accepted]);
        const told = failuresOf(events);
        expect(new Set(told.map(([, code]) => code))).toEqual(new Set(['DISK_FULL']));
        expect(told.some(([name]) => name.startsWith('step/'))).toBe(true);
        expect(told.some(([name]) => name === 'member')).toBe(true);
      });
    });
  });

  it('that plays every role goes on by itself once there is room', { timeout: STUCK_MS }, async () => {
    await withWorkflow(longFiles('w', SIZE), async (workflow) => {
      const expected = await withQuickLog((log) => runCompiled(workflow, { log, order: 3 }));
      await withQuickLog(async (log) => {
        const disk = { full: true };
        const events: ServeEvent[] = [];
        startProcess(log, 'one', ROLES, { storage: storageOf(disk), onEvent: (event) => void events.push(event) });
        const { run } = await deployed(log, workflow);
        await expect.poll(() => failuresOf(events).filter(([name]) => name === 'member').length, { timeout: STUCK_MS }).toBeGreaterThan(1);
        disk.full = false;
        const summary = await closed(log, run);
        expect([summary.root, summary.accepted]).toEqual([expected.root, expected.accepted]);
        expect(failuresOf(events).filter(([, code]) => code !== 'DISK_FULL')).toEqual([]);
      });
    });
  });
});
