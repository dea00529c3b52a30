/**
 * documents/consume.md: its script, as it stands there, prints exactly the verified records of the shipped continuous workflow, and nothing that
 * was aborted; and what it printed is proved, verified, replayed and exported from another machine.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { openKafkaLog } from '#connectors/kafka';
import { publishedRecords, readRun } from '#engine';
import { type CliOptions, lastObject, mizu } from '../support/cli.ts';
import { describeKafka } from '../support/kafka-broker.ts';
import { openOutside } from '../support/kafka-producer.ts';
import { describeRegistry } from '../support/registry-server.ts';
import { scratchFolder } from '../support/scratch.ts';

const ROOT = join(import.meta.dirname, '../..');
const SCRIPT = /^```js consume\.mjs\n([\s\S]*?)^```$/m.exec(readFileSync(join(ROOT, 'documents/consume.md'), 'utf8'))?.[1] ?? '';
const WORKFLOW = join(ROOT, 'topologies/continuous-mail/workflow.yaml');
const STUCK_MS = 300_000;
const NAME = 'continuous-mail';
const MAILS = 300;

/** Every tenth is too short, every seventh of the others a copy of the one before. */
const mailText = (n: number): string => {
  const number = n % 7 === 6 ? n - 1 : n;
  return n % 10 === 9 ? 'From: a\n\nshort' : `From: a\n\nThe ${number}th mail has more words than the ten that it needs to stay.`;
};

interface Line {
  readonly id: string;
  readonly task: string;
  readonly record: Record<string, unknown>;
}

/** What whoever consumes can do on a machine of his own with what he was told: the address of the log, the verifier key, and a record's id. */
async function checkedElsewhere(folder: string, address: string, verifierKey: string, line: Line, ids: ReadonlySet<string>): Promise<void> {
  const away = { cwd: folder, env: { MIZU_LOG: address, MIZU_HOME: join(folder, 'away') } };
  const succeeding = async (args: readonly string[], options: CliOptions = away) => {
    const result = await mizu([...args, '--json'], options);
    expect([args[0], result.code, result.stderr]).toEqual([args[0], 0, result.stderr]);
    return lastObject(result);
  };
  const key = ['--verifier-key', verifierKey];
  const { file } = await succeeding(['prove', line.id]);
  expect(file).toBe(`${line.id.replaceAll('/', '-')}.tlog-proof`);
  const offline = { cwd: folder, env: { MIZU_LOG: join(folder, 'no-log'), MIZU_HOME: join(folder, 'nowhere') } };
  const proved = await succeeding(['verify', String(file), ...key], offline);
  expect(proved).toMatchObject({ ok: true, keyGiven: true, id: line.id, kind: 'published', task: line.task, row: line.record });
  expect(await succeeding(['verify', NAME, ...key])).toMatchObject({ ok: true, keyGiven: true, verifierKey });
  expect(await succeeding(['replay', NAME, '--tasks', '0..1'])).toMatchObject({ ok: true });
  expect(await succeeding(['export', NAME, '--format', 'jsonl', '--out', 'data'])).toMatchObject({ records: ids.size });
  const rows = readFileSync(join(folder, 'data', `${NAME}.jsonl`), 'utf8')
    .trimEnd()
    .split('\n');
  expect(new Set(rows.map((row) => (JSON.parse(row) as { _id: string })._id))).toEqual(ids);
}

/** What the process printed, once there are so many lines of it. */
async function linesOf(child: ChildProcess, count: number): Promise<Line[]> {
  let out = '';
  let err = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const ended = once(child, 'exit').then(() => expect.fail(`the consumer ended by itself: ${err}`));
  const enough = new Promise<void>((resolve) => {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      out += text;
      if (out.split('\n').length > count) resolve();
    });
  });
  await Promise.race([enough, ended]);
  return out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

describeKafka('the consumer of documents/consume.md', (broker) => {
  describeRegistry('with a registry', (registry) => {
    const children: ChildProcess[] = [];
    afterAll(() => {
      for (const child of children) child.kill('SIGKILL');
    });

    it('prints exactly the verified records, and each can be checked from another machine', { timeout: STUCK_MS }, async () => {
      const folder = scratchFolder();
      const network = `consume-${process.pid}-${Date.now()}`;
      const address = `kafka://${broker().brokers}/${network}`;
      const outside = await openOutside(broker().brokers, `${network}-`);
      try {
        const topic = await outside.topic('mails', 3);
        const mails = Array.from({ length: MAILS }, (_, n) => ({
          partition: 0,
          key: String(n),
          value: JSON.stringify({ path: `ham/${n}.txt`, text: mailText(n) }),
        }));
        await outside.send(topic, mails);
        const env = { MIZU_LOG: address, MIZU_HOME: join(folder, 'home'), MIZU_REGISTRY_URL: registry().url };
        const sets = ['--set', `sources.mails.topic=${topic}`, '--set', 'generate[0].read.until=end'];
        const deployed = await mizu(['deploy', WORKFLOW, ...sets], { cwd: folder, env });
        expect(deployed.code, deployed.stderr).toBe(0);
        const verified = `${network}.continuous-mail.1.verified`;
        await outside.send(
          verified,
          [0, 1, 2, 3].map((partition) => ({ partition, key: 'aborted', value: 'by a killed process' })),
          'abort',
        );
        const done = await mizu(['run', WORKFLOW, ...sets, '--workers', '1', '--json'], { cwd: folder, env });
        expect(done.code, done.stderr).toBe(0);
        expect(lastObject(done)).toMatchObject({ candidates: MAILS });

        const expected = new Map<string, object>();
        const log = await openKafkaLog({ address, readOnly: true });
        try {
          for await (const { id, row } of publishedRecords(log, await readRun(log, NAME))) expected.set(id, { ...row });
        } finally {
          await log.close();
        }
        expect(expected.size).toBeGreaterThan(MAILS / 2);
        expect(expected.size).toBeLessThan(MAILS);

        writeFileSync(join(folder, 'consume.mjs'), SCRIPT);
        symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
        const args = ['consume.mjs', broker().brokers.split(',')[0] ?? '', registry().url, verified, network];
        const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
        children.push(child);
        const printed = await linesOf(child, expected.size);
        expect(printed).toHaveLength(expected.size);
        expect(new Map(printed.map(({ id, record }) => [id, record]))).toEqual(expected);
        for (const { id, task } of printed) expect(task).toMatch(new RegExp(`^1/[0-3]/${/\/(\d+)\.\d+$/.exec(id)?.[1]}$`));
        const [line] = printed;
        if (line === undefined) return expect.fail('nothing was printed');
        await checkedElsewhere(folder, address, String(lastObject(done)['verifierKey']), line, new Set(expected.keys()));
      } finally {
        await outside.close();
      }
    });
  });
});
