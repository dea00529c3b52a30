/** Law 1 and law 4 through the commands: one root and equal files whatever the workers, and however often the run was ended. */
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { CliResult } from '../support/cli.ts';
import { lastObject, mizu } from '../support/cli.ts';
import { scratchFolder } from '../support/scratch.ts';

const WORKFLOW = `mizu: 1
name: dice
seed: 11
accept: 3000
budget: { candidates: 9000 }
task: { size: 25 }
generate:
  - random: { as: a, integer: [1, 60] }
  - random: { as: b, integer: [1, 60] }
  - template: { as: text, text: " {{a}} and  {{b}} " }
verify:
  - whitespace: { field: text }
  - range: { field: a, min: 4 }
  - dedup: { by: [text] }
  - count: {}
`;

const GATEWAY = `mizu: 1
models: { small: { url: "http://127.0.0.1:9/v1", model: smollm2 } }
callers: { alice: { tokenEnv: ALICE_TOKEN } }
`;

const dir = scratchFolder({ 'dice.yaml': WORKFLOW, 'gateway.yaml': GATEWAY });
const key = join(dir, 'key.pem');
const run = (log: string, workers: number, options: Parameters<typeof mizu>[1] = {}, ...more: string[]): Promise<CliResult> =>
  mizu(
    [
      'run',
      join(dir, 'dice.yaml'),
      '--set',
      'accept=1500',
      '--log',
      join(dir, log),
      '--workers',
      String(workers),
      '--key',
      key,
      '--json',
      ...more,
    ],
    options,
  );

/** File name → SHA-256 of everything that an export writes. */
async function exported(log: string): Promise<Readonly<Record<string, string>>> {
  const out = join(dir, `${log}-data`);
  const { code, stderr } = await mizu([
    'export',
    'dice',
    '--log',
    join(dir, log),
    '--format',
    'jsonl,csv,parquet',
    '--out',
    out,
    '--key',
    key,
  ]);
  expect(code, stderr).toBe(0);
  return Object.fromEntries(
    readdirSync(out).map((file) => [
      file,
      createHash('sha256')
        .update(readFileSync(join(out, file)))
        .digest('hex'),
    ]),
  );
}

/** Tasks done, as the debug log says so far. */
function tasksDone(stderr: string): number {
  return Math.max(0, ...[...stderr.matchAll(/"published":(\d+)/g)].map((match) => Number(match[1])));
}

describe('a run', () => {
  let undisturbed: { readonly [key: string]: unknown };
  let files: Readonly<Record<string, string>>;

  beforeAll(async () => {
    const result = await run('one', 1);
    expect(result.code, result.stderr).toBe(0);
    undisturbed = lastObject(result);
    files = await exported('one');
  });

  it('has one root and equal exported files for 1, 2 and 4 workers', async () => {
    for (const workers of [2, 4]) {
      const log = `workers-${workers}`;
      const result = await run(log, workers, {}, '--nodes', String(workers));
      expect(result.code, result.stderr).toBe(0);
      expect(lastObject(result)).toMatchObject({
        root: undisturbed['root'],
        treeSize: undisturbed['treeSize'],
        gas: undisturbed['gas'],
        rejected: undisturbed['rejected'],
      });
      expect(await exported(log)).toEqual(files);
    }
    expect(Object.keys(files).sort()).toEqual([
      'README.md',
      'dice.csv',
      'dice.jsonl',
      'dice.parquet',
      'program.json',
      'provenance.intoto.jsonl',
    ]);
  });

  it('killed again and again ends with the same root and the same files', { timeout: 240_000 }, async () => {
    let done = 0;
    for (const kill of [3, 20]) {
      const killed = await run(
        'killed',
        2,
        { onStderr: (text, child) => void (tasksDone(text) >= kill && child.kill('SIGKILL')) },
        '--verbose',
      );
      expect(killed.code).toBeNull();
      done = tasksDone(killed.stderr);
      expect(done).toBeGreaterThanOrEqual(kill);
    }
    const status = lastObject(await mizu(['status', 'dice', '--log', join(dir, 'killed'), '--json']));
    expect(status).toMatchObject({ state: 'unfinished', wanted: 1500 });
    expect(Number(status['accepted'])).toBeGreaterThan(0);
    const result = await run('killed', 1);
    expect(result.code, result.stderr).toBe(0);
    expect(lastObject(result)).toMatchObject({
      root: undisturbed['root'],
      candidates: undisturbed['candidates'],
      rejected: undisturbed['rejected'],
    });
    expect(await exported('killed')).toEqual(files);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'ends with 130 at %s, says how to go on, and then is finished by the command that it says',
    async (signal) => {
      let sent = false;
      const log = `stopped-by-${signal}`;
      const interrupt = (text: string, child: ChildProcess): void => {
        if (!sent && tasksDone(text) >= 5) sent = child.kill(signal);
      };
      const stopped = await run(log, 1, { onStderr: interrupt }, '--verbose');
      expect(stopped.code).toBe(130);
      expect(stopped.stderr).toContain('the same command with the same --log goes on where it stopped');
      expect(lastObject(stopped)).toMatchObject({ ok: false, error: { code: 'INTERRUPTED' } });
      // The command that it prints is one that works when it is pasted.
      const printed = /goes on where it stopped: .*? (run \/.*)$/m.exec(stopped.stderr)?.[1] ?? '';
      const result = await mizu(printed.split(' '));
      expect(lastObject(result)).toMatchObject({ ok: true, root: undisturbed['root'] });
      const again = await run(log, 2);
      expect(again.stderr).toContain('was finished before');
      expect(lastObject(again)).toMatchObject({ ok: true, root: undisturbed['root'] });
    },
  );

  it('is refused a key that others may read, by every command that signs, with what to do', { timeout: 240_000 }, async () => {
    const wide = join(dir, 'wide.pem');
    copyFileSync(key, wide);
    chmodSync(wide, 0o644);
    const file = join(dir, 'dice.yaml');
    const config = join(dir, 'gateway.yaml');
    const commands = [
      ['run', file],
      ['deploy', file],
      ['pause', 'dice'],
      ['resume', 'dice'],
      ['stop', 'dice'],
      ['export', 'dice', '--out', join(dir, 'never')],
      ['up'],
      ['orchestrator'],
      ['node'],
      ['checkpointer'],
      ['gateway'],
      ['gateway', '--config', config, '--port', '0'],
    ];
    const env = { ALICE_TOKEN: 'a-token-of-alice-of-forty-characters-2f8e' };
    const refuse = async (command: readonly string[]): Promise<void> => {
      const refused = await mizu([...command, '--log', join(dir, 'one'), '--key', wide], { env });
      expect([command[0], refused.code, refused.stderr]).toEqual([
        command[0],
        2,
        expect.stringMatching(/has mode 0644: others may read.*chmod 600/s),
      ]);
    };
    // Two processes at a time: each does little but start.
    const one = commands.values();
    await Promise.all(
      [one, one].map(async (rest) => {
        for (const command of rest) await refuse(command);
      }),
    );
    expect(existsSync(join(dir, 'never'))).toBe(false);
  });

  it('is refused a log or a folder of data that can not be made, at once and by its name', async () => {
    for (const [args, place] of [
      [['run', join(dir, 'dice.yaml'), '--log', join(key, 'log')], join(key, 'log')],
      [['export', 'dice', '--log', join(dir, 'one'), '--key', key, '--out', join(key, 'data')], join(key, 'data')],
    ] as const) {
      const refused = await mizu(args);
      expect(refused.code, refused.stderr).toBeGreaterThan(0);
      expect(refused.stderr).toContain(place);
      expect(refused.stderr).toMatch(/try: /);
    }
  });

  it('is refused, naming its owner, while another process runs it', async () => {
    let second: Promise<CliResult> | undefined;
    const longer = ['--set', 'accept=3000'];
    const first = await run(
      'live',
      1,
      {
        onStderr: (text) => {
          if (tasksDone(text) >= 2) second ??= run('live', 1, {}, ...longer);
        },
      },
      '--verbose',
      ...longer,
    );
    expect(first.code).toBe(0);
    const refused = await second;
    expect(refused?.code, refused?.stderr).toBe(1);
    expect(refused?.stderr).toMatch(/'dice\/1' is being run by \S+:\d+/);
  });
});
