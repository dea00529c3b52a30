/**
 * A disk that is mounted for reading only (law 10), which binds root as well: what must be written there is refused with the path and what to try, and nothing else; what
 * only reads works. Folders without the right to write: test/fault/log-disk.test.ts.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openLog, openSigner } from '#topologies';
import { mizu } from '../support/cli.ts';
import { workflowFiles } from '../support/random-workflow.ts';
import { runCompiled, withWorkflow } from '../support/run-support.ts';
import { COUNTED } from '../support/run-support-workflows.ts';
import { scratchFolder } from '../support/scratch.ts';
import { makeReadOnly, mountDisk, unmountDisk } from '../support/small-disk.ts';

const folder = scratchFolder(workflowFiles({ ...COUNTED, seed: 8 }));
const disk = join(folder, 'disk');
const log = join(disk, 'log');
const key = join(folder, 'key.pem');
let refused = '';

beforeAll(async () => {
  mkdirSync(disk);
  refused = mountDisk(disk, '32m');
  if (refused !== '') return;
  await withWorkflow(workflowFiles(COUNTED), async (compiled) => {
    const opened = await openLog(log, { readOnly: false });
    await runCompiled(compiled, { log: opened, order: 1, signer: openSigner(opened, key) });
    await opened.close();
  });
  refused = makeReadOnly(disk);
});
afterAll(() => unmountDisk(disk));

it('is refused by name where something must be written, and read where not', { timeout: 60_000 }, async (context) => {
  if (refused !== '') context.skip(`a disk for reading only can't be mounted here: ${refused}`);
  const workflow = join(folder, 'workflow.yaml');
  const before = readdirSync(log);
  const data = join(disk, 'data');
  for (const [args, place, exit] of [
    [['run', workflow, '--log', log, '--new-generation', '--key', key], log, 1],
    [['run', workflow, '--log', join(disk, 'new'), '--key', key], join(disk, 'new'), 1],
    [['export', 'w', '--log', log, '--out', data, '--key', key], data, 1],
    [['init', data], data, 1],
  ] as const) {
    const { code, stderr } = await mizu(args);
    expect([args[0], code, stderr]).toEqual([args[0], exit, expect.stringContaining(place)]);
    expect(stderr).toMatch(/read-only.*\n {2}try: /);
    expect(stderr).not.toContain('defect');
  }
  for (const args of [
    ['verify', 'w', '--log', log],
    ['export', 'w', '--log', log, '--out', join(folder, 'data'), '--key', key],
  ]) {
    const { code, stderr } = await mizu(args);
    expect([args[0], code, stderr]).toEqual([args[0], 0, expect.anything()]);
  }
  expect(readdirSync(log)).toEqual(before);
});
