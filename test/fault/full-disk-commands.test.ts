/**
 * A disk that is full in the middle of a run and of an export, by the commands (laws 2, 4, 10): they say which file can't grow and what to try, and leave nothing half
 * written; the same command ends, once there is room, as on a disk that was never full. Once by the largest size that the shell lets a file have (`ulimit -f`, as a quota
 * would), once by a small disk in memory, where it may be mounted.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportRun, findRun, openSigner } from '#topologies';
import { type CliResult, lastObject, mizu } from '../support/cli.ts';
import { runCompiled, sha256Hex, withQuickLog, withWorkflow } from '../support/run-support.ts';
import { scratchFolder } from '../support/scratch.ts';
import { mountDisk, unmountDisk } from '../support/small-disk.ts';

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const WORKFLOW = `mizu: 1
name: letters
seed: 3
budget: { candidates: 250 }
task: { size: 25 }
generate:
  - random: { as: n, integer: [1, 1000000] }
  - template: { as: text, text: "{{n}} ${'and so on '.repeat(60)}" }
verify:
  - range: { field: n, min: 1000 }
  - dedup: { by: [text] }
`;

const folder = scratchFolder({ 'workflow.yaml': WORKFLOW });
const key = join(folder, 'key.pem');
const runIn = (log: string): string[] => ['run', join(folder, 'workflow.yaml'), '--log', log, '--key', key, '--workers', '2', '--json'];
const exportTo = (log: string, out: string): string[] => ['export', 'letters', '--log', log, '--key', key, '--out', out, '--json'];

/** File name → SHA-256, hidden files as well. */
function filesIn(path: string): Readonly<Record<string, string>> {
  return Object.fromEntries(readdirSync(path).map((name) => [name, sha256Hex(readFileSync(join(path, name)))]));
}

/** Runs a command whose files may have so many blocks of 512 bytes (1,024 in some shells). */
async function limited(blocks: number, args: readonly string[]): Promise<CliResult> {
  const child = spawn('sh', ['-c', `ulimit -f ${blocks}; exec "$0" "$@"`, process.execPath, MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: code as number | null, stdout, stderr };
}

function expectRefusal({ code, stderr, stdout }: CliResult, names: string, cure: RegExp): void {
  expect(code, stderr + stdout).toBe(1);
  expect(stderr).toContain(names);
  expect(stderr).toMatch(cure);
}

describe('a full disk', { timeout: 120_000 }, () => {
  let root = '';
  let files: Readonly<Record<string, string>> = {};
  beforeAll(async () => {
    await withWorkflow({ 'workflow.yaml': WORKFLOW }, (compiled) =>
      withQuickLog(async (log) => {
        const signer = openSigner(log, key);
        ({ root } = await runCompiled(compiled, { log, order: 1, signer }));
        const dir = join(folder, 'undisturbed');
        await exportRun({ log, run: await findRun(log, 'letters'), formats: ['jsonl'], dir, signer, signal: new AbortController().signal });
        files = filesIn(dir);
      }),
    );
  });

  /** The run and the export, each refused once and then repeated. */
  async function play(
    log: string,
    out: string,
    how: { full: (args: readonly string[]) => Promise<CliResult>; room: () => void; says: RegExp; data: RegExp },
  ): Promise<void> {
    // Which of its files is the first that can't grow differs with what a commit holds.
    expectRefusal(await how.full(runIn(log)), log, how.says);
    how.room();
    const done = await mizu(runIn(log));
    expect(done.code, done.stderr).toBe(0);
    expect(lastObject(done)).toMatchObject({ root });
    expectRefusal(await how.full(exportTo(log, out)), join(out, 'letters.jsonl'), how.data);
    expect(existsSync(out) ? readdirSync(out) : []).toEqual([]);
    how.room();
    const taken = await mizu(exportTo(log, out));
    expect(taken.code, taken.stderr).toBe(0);
    expect(filesIn(out)).toEqual(files);
  }

  it('by a limit of the shell', () =>
    play(join(folder, 'limited'), join(folder, 'limited-data'), {
      full: (args) => limited(args[0] === 'run' ? 300 : 80, args),
      room: () => undefined,
      says: /can't grow: .*the file may not be longer.*try: .*ulimit -f.*same command/s,
      data: /the file may not grow further.*try: Raise the limit/s,
    }));

  describe('of a few megabytes', () => {
    const disk = join(folder, 'disk');
    const ballast = join(disk, 'ballast');
    let refused = '';
    beforeAll(() => {
      mkdirSync(disk);
      refused = mountDisk(disk, '12m');
    });
    afterAll(() => {
      if (refused === '') unmountDisk(disk);
    });

    /** Fills the disk but for so many bytes. */
    function fill(room: number): void {
      const file = openSync(ballast, 'w');
      const chunk = Buffer.alloc(64 * 1024);
      let size = 0;
      try {
        for (let wrote = chunk.length; wrote === chunk.length; size += wrote) wrote = writeSync(file, chunk);
      } catch {
        // It is full.
      }
      ftruncateSync(file, size - room);
      closeSync(file);
    }

    it('by what stands on it', async (context) => {
      if (refused !== '') context.skip(`a small disk can't be mounted here: ${refused}`);
      await play(join(disk, 'log'), join(disk, 'data'), {
        full: (args) => {
          fill(args[0] === 'run' ? 400_000 : 100_000);
          return mizu(args);
        },
        room: () => rmSync(ballast),
        says: /can't grow: .*full.*try: .*Free space on that disk.*same command/s,
        data: /the disk is full.*try: Free some space/s,
      });
    });
  });
});
