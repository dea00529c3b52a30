/** `mizu export NAME`: the data as files with card and provenance, or the tree of proofs as a static folder. */
import type { DeployedRun, Json, Log } from '#engine';
import { MizuError } from '#engine';
import type { ExportedRun } from '#topologies';
import { type ExportFormat, EXPORT_FORMATS, exportRun, exportTlog, findRun, openLog, openSigner } from '#topologies';
import type { Context, Outcome } from '../context.ts';
import { bytesText, columns, grouped } from '../format.ts';
import type { ExportCommandOptions } from '../program.ts';
import { rangeText } from '../range-text.ts';

export async function exportData(context: Context, name: string, options: ExportCommandOptions): Promise<Outcome> {
  const formats = parseFormats(options.format);
  const log = await openLog(context.log, { readOnly: true });
  try {
    const run = await findRun(log, name);
    const dir = options.out ?? (options.tlog === undefined ? run.run.name : undefined);
    let result: { [key: string]: Json } = { ok: true, name: run.run.name, generation: run.run.generation };
    if (dir !== undefined) {
      const { progress, signal } = context;
      const exported = await exportRun({
        log,
        run,
        formats,
        dir,
        signer: openSigner(log, options.key),
        guardFormulas: options.guardFormulas,
        signal,
        onRecord: (written) => progress.update(() => `${grouped(written)} records written`),
      });
      progress.clear();
      await context.out.text(exportText(dir, exported));
      result = {
        ...result,
        dir,
        records: exported.records,
        files: exported.files.map((file): Json => ({ ...file })),
        root: exported.extent.tree.root,
        closed: exported.extent.summary !== undefined,
        range: exported.extent.range === undefined ? null : { ...exported.extent.range },
      };
    }
    if (options.tlog !== undefined) result = { ...result, tlog: await exportTree(context, log, run, options.tlog) };
    return { result };
  } finally {
    await log.close();
  }
}

async function exportTree(context: Context, log: Log, run: DeployedRun, dir: string): Promise<Json> {
  const tree = await exportTlog(log, run, dir, context.signal);
  const lines = [
    `Wrote the tree of ${grouped(tree.treeSize)} leaves into ${dir} (${grouped(tree.files)} files, C2SP tlog-tiles)`,
    `  root          ${tree.root}`,
    `  verifier key  ${tree.verifierKey}`,
  ];
  await context.out.text(lines.join('\n'));
  return { dir, ...tree };
}

/** @throws USAGE naming the formats there are. */
export function parseFormats(text: string): ExportFormat[] {
  const words = [...new Set(text.split(',').map((word) => word.trim()))];
  const known = EXPORT_FORMATS.filter((format) => words.includes(format));
  const unknown = words.filter((word) => !(EXPORT_FORMATS as readonly string[]).includes(word));
  if (unknown.length === 0) return known;
  throw new MizuError('USAGE', `--format ${text}: '${unknown[0]}' is no export format`, {
    component: '--format',
    hint: `Give one or more of ${EXPORT_FORMATS.join(', ')}, with commas between.`,
  });
}

export function exportText(dir: string, exported: ExportedRun): string {
  const rows = exported.files.map((file) => [file.name, bytesText(file.bytes), file.sha256]);
  return `Wrote ${grouped(exported.records)} records${partText(exported)} into ${dir}:\n${columns(rows, [1], '  ')}`;
}

function partText({ extent: { summary, range, whole } }: ExportedRun): string {
  if (whole || range === undefined) return '';
  return ` of tasks ${rangeText(range)}${summary === undefined ? ', up to the newest signed head of a run that goes on,' : ', all that the log has left,'}`;
}
