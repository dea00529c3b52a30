/** The commands as a user meets them: help, exit codes, errors, and one small workflow from `init` to a checked proof (laws 3, 5, 10). */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { decodeControl } from '../../engine/dispatch/signed-entry.ts';
import { lastObject, mizu } from '../support/cli.ts';
import { scratchFolder } from '../support/scratch.ts';
import { Tamper } from '../support/tamper.ts';

/** Far beyond what some processes at once take, on a machine with other work. */
const LIMIT_MS = 240_000;
const COMMANDS = [
  'init',
  'check',
  'compile',
  'preview',
  'operators',
  'run',
  'demo',
  'deploy',
  'pause',
  'resume',
  'stop',
  'list',
  'status',
  'up',
  'gateway',
  'simulator',
  'doctor',
  'orchestrator',
  'node',
  'checkpointer',
  'verify',
  'audit',
  'replay',
  'prove',
  'export',
  'show',
  'rejected',
  'failed',
];

describe('help', () => {
  it('lists every command, and no command that is not there', async () => {
    const { code, stdout, stderr } = await mizu(['--help']);
    expect([code, stderr]).toEqual([0, '']);
    const listed = [...stdout.matchAll(/^ {2}([a-z]+) (?=\[|<| )/gm)]
      .map((match) => match[1])
      .filter((name) => name !== 'help' && name !== 'mizu');
    expect(listed).toEqual(COMMANDS);
  });

  it('shows the arguments and options of each command', async () => {
    const helps = await Promise.all(['run', 'export'].map((name) => mizu([name, '--help'])));
    expect(helps.map(({ code }) => code)).toEqual([0, 0]);
    for (const option of ['--set <path=value>', '--workers <n>', '--new-generation', '--log <log>', 'MIZU_LOG', '--json'])
      expect(helps[0]?.stdout).toContain(option);
    for (const option of ['--format <formats>', '--tlog <dir>', '--out <dir>']) expect(helps[1]?.stdout).toContain(option);
  });
});

describe('a wrong command line ends with 2 and says what was expected', () => {
  const dir = scratchFolder({ 'w.yaml': 'mizu: 1\nname: w\n' });
  const cases: readonly (readonly [what: string, args: readonly string[], says: RegExp])[] = [
    ['an unknown command, with the nearest one', ['chekc'], /unknown command 'chekc'\n\(Did you mean check\?\)/],
    ['a missing argument', ['run'], /missing required argument 'file'/],
    ['a number out of range', ['run', 'w.yaml', '--workers', '0'], /Expected a whole number from 1 to 64/],
    [
      'a format that is not there',
      ['export', 'w', '--format', 'xml'],
      /'xml' is no export format\n {2}try: Give one or more of jsonl, csv, parquet/,
    ],
    ['a log of no known kind', ['list', '--log', 'redis://127.0.0.1/n'], /'redis:\/\/' is no kind of log that Mizu knows/],
    ['a log that is not there', ['status', 'w', '--log', 'nowhere'], /There is no log in nowhere/],
    ['a file that is not there', ['check', 'nix.yaml'], /Cannot read nix.yaml: there is no such file/],
    ['a text that is no record id', ['show', 'w-1-2'], /'w-1-2' is not a record id\n {2}try: A record id reads NAME\/GENERATION\/k.i/],
    ['an operator that is not there', ['operators', 'dedupe'], /There is no operator 'dedupe'\n {2}try: did you mean 'dedup'\?/],
  ];
  it.each(cases)('%s', async (_what, args, says) => {
    const result = await mizu([...args, '--json'], { cwd: dir });
    expect(result.stderr).toMatch(says);
    expect(result.code).toBe(2);
    expect(lastObject(result)).toMatchObject({ ok: false, error: { code: expect.any(String), message: expect.any(String) } });
  });
});

describe('a wrong workflow', () => {
  const dir = scratchFolder({
    'w.yaml':
      'mizu: 1\nname: w\nbudgte: { candidates: 10 }\nseed: 7\ngenerate:\n  - random: { as: n, integer: [1, 6] }\nverify:\n  - lenght: { field: n, words: [1, 2] }\n',
  });

  it('shows every problem at once with its place, and does no work', async () => {
    const { code, stderr } = await mizu(['run', 'w.yaml', '--log', 'log'], { cwd: dir });
    expect(code).toBe(2);
    expect(stderr).toContain("w.yaml:3:1  Unknown key 'budgte'");
    expect(stderr).toContain("w.yaml:8:5  Unknown operator 'lenght'");
    expect(stderr).toContain("did you mean 'length'?");
    expect(stderr).toMatch(/2 problems\n$/);
    expect((await mizu(['list', '--log', 'log'], { cwd: dir })).code).toBe(2);
  });
});

describe('a source in an npm package that is not installed', () => {
  const dir = scratchFolder({
    'w.yaml': 'mizu: 1\nname: w\ngenerate:\n  - read: { path: package:@mizu-test/not-there/data, format: text }\n',
  });

  it('prints the command that gets it', async () => {
    const { code, stderr } = await mizu(['check', 'w.yaml'], { cwd: dir });
    expect(code).toBe(2);
    expect(stderr).toContain('npm install --no-save @mizu-test/not-there');
  });
});

describe('a small workflow', () => {
  const dir = scratchFolder();
  const file = join(dir, 'small', 'workflow.yaml');
  const log = join(dir, 'log');
  const on = (...args: string[]) => mizu([...args, '--log', log, '--json']);
  let run: { readonly [key: string]: unknown };

  beforeAll(async () => {
    expect((await mizu(['init', join(dir, 'small')])).code).toBe(0);
    const result = await on('run', file);
    expect(result.code).toBe(0);
    run = lastObject(result);
  });

  it('is not written over by a second init', async () => {
    writeFileSync(join(dir, 'small', 'README.md'), 'mine');
    const { code, stderr } = await mizu(['init', join(dir, 'small')]);
    expect(code).toBe(2);
    expect(stderr).toContain('README.md');
    expect(readFileSync(join(dir, 'small', 'README.md'), 'utf8')).toBe('mine');
  });

  it('has a schema beside it that an editor finds, and that takes the workflow but no wrong one', async () => {
    const text = readFileSync(file, 'utf8');
    const named = /^# yaml-language-server: \$schema=(.+)$/m.exec(text)?.[1] ?? '';
    const schema: object = JSON.parse(readFileSync(join(dir, 'small', named), 'utf8'));
    expect(JSON.parse((await mizu(['operators', '--schema'])).stdout)).toEqual(schema);
    const valid = new Ajv2020({ strict: false }).compile(schema);
    expect(valid(parse(text))).toBe(true);
    expect(valid(parse(text.replace('words:', 'wrods:')))).toBe(false);
  });

  it('gives exactly the records asked for, and every candidate is accounted for', () => {
    const { candidates, accepted, rejected, duplicates, failed } = run as {
      candidates: number;
      accepted: number;
      rejected: Record<string, number>;
      duplicates: number;
      failed: number;
    };
    expect(accepted).toBe(40);
    expect(accepted + duplicates + failed + Object.values(rejected).reduce((sum, n) => sum + n, 0)).toBe(candidates);
    expect(run).toMatchObject({
      ok: true,
      name: 'small',
      program: expect.stringMatching(/^[0-9a-f]{64}$/),
      root: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(run).toMatchObject({
      gas: expect.any(Number),
      seconds: expect.any(Number),
      bytes: { local: expect.any(Number), global: expect.any(Number) },
      treeSize: expect.any(Number),
    });
    expect(run['verifierKey']).toMatch(/^local\/small\/1\+[0-9a-f]{8}\+/);
  });

  it('shows in a preview what a run does with the same candidates', async () => {
    const result = lastObject(await mizu(['preview', file, '-n', '20', '--json']));
    const records = result['records'] as { candidate: number; outcome: string; row: Record<string, unknown> | null }[];
    const exported = await on('export', 'small', '--out', join(dir, 'preview-data'));
    expect(exported.code).toBe(0);
    const lines = readFileSync(join(dir, 'preview-data', 'small.jsonl'), 'utf8')
      .trimEnd()
      .split('\n');
    const rows = lines.map((line) => JSON.parse(line) as { _id: string }).filter(({ _id }) => _id.startsWith('small/1/0.'));
    expect(
      records.filter((record) => record.outcome === 'published').map(({ candidate, row }) => ({ _id: `small/1/0.${candidate}`, ...row })),
    ).toEqual(rows);
    expect(records).toHaveLength(20);
  });

  it('verifies, replays and stands in list and status with the same root', async () => {
    const [verified, replayed, status, list] = await Promise.all([
      on('verify', 'small', '--verifier-key', String(run['verifierKey'])),
      on('replay', 'small'),
      on('status', 'small'),
      on('list'),
    ]);
    expect([verified, replayed, status, list].map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    expect(lastObject(verified)).toMatchObject({ ok: true, closed: true, root: run['root'], treeSize: run['treeSize'], keyGiven: true });
    expect(lastObject(verified)).toMatchObject({ range: lastObject(replayed)['range'], forgotten: [] });
    expect(lastObject(replayed)).toMatchObject({ ok: true, leaves: run['treeSize'], records: 40 });
    expect(lastObject(status)).toMatchObject({ state: 'finished', root: run['root'], accepted: 40 });
    expect(lastObject(list)).toMatchObject({ runs: [{ name: 'small', generation: 1, state: 'finished', accepted: 40 }] });
  });

  it('replays the tasks that are asked for, and says which they were (--tasks A..B)', { timeout: LIMIT_MS }, async () => {
    const [some, beyond, wrong] = await Promise.all([
      mizu(['replay', 'small', '--tasks', '1..2', '--log', log]),
      on('replay', 'small', '--tasks', '1..999'),
      on('replay', 'small', '--tasks', '2..1'),
    ]);
    expect([some.code, some.stdout]).toEqual([0, expect.stringContaining('small/1 (tasks 1..2) replays exactly: 2 tasks, ')]);
    expect([beyond.code, beyond.stderr]).toEqual([
      2,
      expect.stringMatching(/Tasks 1\.\.999 are not in the run\n {2}try: The run's tasks are 0\.\.\d+\./),
    ]);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('Expected A..B with A at most B')]);
  });

  it('is verified, replayed and exported as a run that goes on while its log does not say that it ended', {
    timeout: LIMIT_MS,
  }, async () => {
    const copy = join(dir, 'copy');
    cpSync(log, copy, { recursive: true });
    const tamper = new Tamper(copy);
    tamper.change({ topic: 'small.1.control', partition: 0 }, (entries) =>
      entries.slice(
        0,
        entries.findIndex(({ value }) => decodeControl(value).body.type === 'finish'),
      ),
    );
    tamper.close();
    const [verified, replayed, exported] = await Promise.all([
      mizu(['verify', 'small', '--log', copy]),
      mizu(['replay', 'small', '--log', copy, '--json']),
      mizu(['export', 'small', '--log', copy, '--out', join(dir, 'so-far'), '--json']),
    ]);
    const again = lastObject(replayed);
    const range = { from: 0, to: Number(again['last']) };
    expect(verified.stdout).toContain(`small/1 (tasks 0..${range.to} of a run that goes on) verifies`);
    expect(verified.stdout).toContain('The run goes on: what came after its newest signed head was not looked at.');
    expect(again).toMatchObject({ ok: true, closed: false, range, leaves: run['treeSize'], forgotten: [] });
    expect(lastObject(exported)).toMatchObject({ ok: true, closed: false, range, records: 40, root: run['root'] });
  });

  it('does not verify under a key that did not sign it', async () => {
    const other = lastObject(await mizu(['run', file, '--set', 'name=other', '--log', join(dir, 'other-log'), '--json']));
    const strange = String(other['verifierKey']).replace('/other/', '/small/');
    const { code, stderr } = await on('verify', 'small', '--verifier-key', strange);
    expect(code, stderr).not.toBe(0);
  });

  it('proves a record offline, and a changed proof fails with 1', async () => {
    const first = JSON.parse(readFileSync(join(dir, 'preview-data', 'small.jsonl'), 'utf8').split('\n')[0] ?? '') as {
      _id: string;
      request: string;
    };
    const proof = join(dir, 'first.tlog-proof');
    expect((await on('prove', first._id, '--out', proof)).code).toBe(0);
    const key = String(run['verifierKey']);
    const good = await mizu(['verify', proof, '--verifier-key', key, '--log', join(dir, 'nowhere'), '--json']);
    expect(good.code).toBe(0);
    expect(lastObject(good)).toMatchObject({ ok: true, id: first._id, kind: 'published', row: { request: first.request } });
    const text = readFileSync(proof, 'utf8');
    writeFileSync(
      proof,
      text.replace(/^index \d+$/m, (line) => (line === 'index 3' ? 'index 4' : 'index 3')),
    );
    const bad = await mizu(['verify', proof, '--verifier-key', key, '--json']);
    expect(bad.code).toBe(1);
    expect(lastObject(bad)).toMatchObject({ ok: false, error: { code: 'PROOF_INVALID' } });
    const keyless = await mizu(['verify', proof, '--log', join(dir, 'nowhere')]);
    expect([keyless.code, keyless.stderr]).toEqual([2, expect.stringContaining('--verifier-key NAME+ID+BASE64')]);
  });

  it('lists every dropped record once with its reason, and tells the story of one', async () => {
    const result = await on('rejected', 'small');
    const lines = result.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const { count, steps } = lines.pop() as { count: number; steps: Record<string, number> };
    expect(lines).toHaveLength(count);
    expect({ ...(run['rejected'] as Record<string, number>), duplicates: run['duplicates'] }).toEqual(steps);
    const long = lines.find((line) => line['step'] === 'length-request');
    expect(long).toMatchObject({
      kind: 'rejected',
      measured: expect.any(Number),
      limit: '8 to 24 words',
      record: { books: expect.any(Number) },
    });
    for (const duplicate of lines.filter((line) => line['kind'] === 'duplicate'))
      expect(duplicate['winner']).toMatch(/^small\/1\/\d+\.\d+$/);
    const story = lastObject(await on('show', String(long?.['id'])));
    expect(story).toMatchObject({ id: long?.['id'], outcome: 'rejected', drop: { step: 'length-request', limit: '8 to 24 words' } });
    expect((await on('failed', 'small')).stdout).toBe(`${JSON.stringify({ name: 'small', generation: 1, count: 0, steps: {} })}\n`);
  });

  it('is a new generation after a change, and only when asked for', async () => {
    const changed = ['run', file, '--set', 'accept=10'];
    const refused = await on(...changed);
    expect(refused.code).toBe(2);
    expect(lastObject(refused)).toMatchObject({ error: { code: 'PROGRAM_CHANGED' } });
    expect(lastObject(await on(...changed, '--new-generation'))).toMatchObject({ generation: 2, accepted: 10 });
    expect(lastObject(await on('status', 'small/1'))).toMatchObject({ accepted: 40 });
  });

  it('falls short with 1 and says what took the records and what to raise', async () => {
    const short = await mizu(['run', file, '--set', 'budget.candidates=40', '--set', 'name=short', '--log', log, '--json']);
    expect(short.code).toBe(1);
    expect(lastObject(short)).toMatchObject({ ok: false, reason: 'exhausted', candidates: 40, wanted: 40 });
    expect(short.stderr).toMatch(/not enough: 40 candidates gave \d+ of the 40 records wanted/);
    expect(short.stderr).toMatch(/try: raise budget\.candidates to about \d+/);
  });

  it('writes no colour and no progress where nobody looks', async () => {
    const { stdout, stderr } = await mizu(['status', 'small', '--log', log, '--quiet']);
    expect(stdout + stderr).not.toContain('\u001b');
    expect(stderr).toBe('');
  });

  it('exports a tree that any tlog-tiles client finds its way in', async () => {
    const tlog = join(dir, 'tlog');
    expect(lastObject(await on('export', 'small/1', '--tlog', tlog))).toMatchObject({
      tlog: { treeSize: run['treeSize'], root: run['root'], verifierKey: run['verifierKey'] },
    });
    expect(readFileSync(join(tlog, 'verifier-key'), 'utf8')).toBe(`${String(run['verifierKey'])}\n`);
    expect(readFileSync(join(tlog, 'checkpoint'), 'utf8').split('\n').slice(0, 2)).toEqual(['local/small/1', String(run['treeSize'])]);
  });
});
