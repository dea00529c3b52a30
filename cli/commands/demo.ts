/** `mizu demo`: the shipped workflow falling-stacks from end to end: run, verify, replay a part, prove one record, export. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { RunSummary } from '#engine';
import { MizuError, parseRecordId, proveRecord, readRun, replayRun, verifyProof, verifyRun } from '#engine';
import {
  compileFile,
  defaultWorkers,
  exportRun,
  FALLING_STACKS,
  openLog,
  openSigner,
  registry,
  temporaryStorage,
  WORKER_URL,
  writeFileWhole,
} from '#topologies';
import type { Context, Outcome } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { grouped, secondsText } from '../format.ts';
import { ownCommand } from '../own-command.ts';
import { fellShort, summaryText } from '../run-summary.ts';
import { exportText } from './export.ts';
import { runWithProgress, summaryJson } from './run.ts';

const OUT = 'out';
/** Tasks executed again: enough to see it, few enough for a minute. */
const REPLAYED_TASKS = 4;

export async function demo(context: Context, given: string | undefined, options: { readonly workers?: number }): Promise<Outcome> {
  const dir = given ?? freshFolder();
  if (existsSync(join(dir, 'log')))
    throw new MizuError('USAGE', `${dir} holds a log already`, { component: dir, hint: 'Name a folder that is new, or none.' });
  const { out, progress, signal, debug } = context;
  const place = { log: join(dir, 'log'), progress, signal, debug, interrupted: false };
  const workers = options.workers ?? defaultWorkers();
  const started = performance.now();
  progress.note('Simulating stacks of bodies until 1,000 of them pass every rule…');
  const workflow = await compileFile(FALLING_STACKS);
  const timed = await runWithProgress(place, workflow, { workers });
  const { summary, seconds } = timed;
  await out.text(`${summaryText(summary, timed, (text) => out.style('bold', text))}\n`);

  const log = await openLog(place.log, { readOnly: true });
  const local = temporaryStorage();
  try {
    const run = await readRun(log, summary.name, summary.generation);
    const report = await verifyRun(log, run, { verifierKey: summary.verifierKey });
    await out.text(
      `${mark(context, report.ok)} verified: ${report.checks.map((check) => `${check.name} ${grouped(check.count)}`).join(', ')}`,
    );
    const replayed = await replayRun({
      log,
      run,
      registry,
      local,
      workerUrl: WORKER_URL,
      workers,
      tasks: { from: 0, to: REPLAYED_TASKS - 1 },
      signal,
    });
    await out.text(
      `${mark(context, replayed.ok)} replayed: ${grouped(replayed.candidates)} candidates executed again, ${grouped(replayed.leaves)} leaves equal`,
    );
    const data = join(dir, 'data');
    const exported = await exportRun({ log, run, formats: ['jsonl', 'parquet'], dir: data, signer: openSigner(log), signal });
    const proofFile = join(dir, 'record.tlog-proof');
    const id = exported.firstId ?? '';
    const proof = await proveRecord(log, run, parseRecordId(id));
    verifyProof(proof.text, summary.verifierKey);
    writeFileWhole(proofFile, Buffer.from(proof.text, 'utf8'));
    await out.text(`${mark(context, true)} proved: record ${id} in ${proofFile}`);
    await out.text(`${exportText(data, exported)}\n`);
    await out.text(nextText(place, summary, id, proofFile, dir));
    const whole = (performance.now() - started) / 1000;
    await out.text(`\nAll of it took ${secondsText(whole)}.`);
    const ok = report.ok && replayed.ok && !fellShort(summary);
    return {
      exitCode: ok ? EXIT.done : EXIT.failed,
      result: {
        ...summaryJson(summary, seconds),
        ok,
        dir: data,
        log: place.log,
        files: exported.files.map((file) => file.name),
        verified: report.ok,
        replayed: replayed.ok,
        totalSeconds: Number(whole.toFixed(3)),
      },
    };
  } finally {
    await local.close();
    await log.close();
  }
}

/** out/demo, or the first of out/demo-2, out/demo-3, … that is not there yet. */
function freshFolder(): string {
  let dir = join(OUT, 'demo');
  for (let n = 2; existsSync(dir); n++) dir = join(OUT, `demo-${n}`);
  return dir;
}

function mark(context: Context, ok: boolean): string {
  return ok ? context.out.style('green', '✓') : context.out.style('red', '✗');
}

function nextText(place: { readonly log: string }, { name, verifierKey }: RunSummary, id: string, proofFile: string, dir: string): string {
  const commands = [
    [ownCommand(place, 'show', id), 'the whole story of one record'],
    [ownCommand(place, 'rejected', name), 'what was dropped, by which rule, measured against which limit'],
    [ownCommand(place, 'replay', name), 'all of it again, on every core'],
    [ownCommand({ log: '' }, 'verify', proofFile, '--verifier-key', verifierKey), 'the proof of one record, without the log'],
    [ownCommand(place, 'export', name, '--tlog', join(dir, 'tlog')), 'the tree of proofs as a static folder'],
    [ownCommand({ log: '' }, 'init', 'my-data'), 'a workflow of your own'],
  ];
  return ['Go on with:', ...commands.flatMap(([command, what]) => [`  ${command}`, `      ${what}`])].join('\n');
}
