/** `mizu doctor`: runs the determinism vectors, looks at this machine, and says, signed, whether it may be a node. */
import { join } from 'node:path';
import type { Json } from '#engine';
import { openKeyFile, toHex, utf8 } from '#engine';
import type { MachineCheck, VectorsReport, WrongVector } from '#topologies';
import { checkMachine, homeOfAddress, readVectors, runVectors, signDoctor, writeFileWhole } from '#topologies';
import type { Context, Outcome } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { columns, grouped, oneLine, shortened } from '../format.ts';
import { nodeProblem } from '../node-version.ts';
import { ownCommand } from '../own-command.ts';
import { installedVersion } from '../version.ts';

export interface DoctorOptions {
  readonly vectors?: string;
  readonly key?: string;
  readonly out: string;
}

const VALUE_LIMIT = 200;
/** Of the wrong vectors so many are shown; the result has all. */
const WRONG_SHOWN = 10;

export async function doctor(context: Context, options: DoctorOptions): Promise<Outcome> {
  const { out, progress } = context;
  const file = readVectors(options.vectors);
  const report = await runVectors(file, (done) => progress.update(() => `${grouped(done)} vectors`));
  progress.clear();
  const folder = homeOfAddress(context.log);
  const keyFile = options.key ?? join(folder, 'keys', 'signer.pem');
  const node = process.versions.node;
  const machine = await checkMachine({ folder, keyFile, nodeProblem: nodeProblem(node) });
  const mayBeNode = report.wrong.length === 0 && machine.every((check) => check.ok);
  const vectors = Object.values(report.counts).reduce((sum, count) => sum + count, 0);
  const findings = {
    mizu: installedVersion(),
    node,
    platform: `${process.platform} ${process.arch}`,
    vectors,
    wrong: report.wrong.map(({ family, name }) => ({ family, name })),
    mayBeNode,
  };
  await out.text(
    [
      ...vectorLines(report),
      '',
      columns(
        machine.map((check) => machineRow(context, check)),
        [],
        '  ',
      ),
    ].join('\n'),
  );
  const signed = machine.find((check) => check.name === 'key')?.ok === false ? undefined : openKeyFile(keyFile);
  if (signed !== undefined) writeFileWhole(options.out, utf8(`${signDoctor(file.digest, findings, signed)}\n`));
  const verdict = mayBeNode
    ? out.style('green', 'This machine may be a node: it computes what every other does.')
    : out.style('red', `This machine may be no node: ${reason(report, machine)}`);
  const key = signed === undefined ? null : toHex(signed.publicKey);
  const proof =
    key === null
      ? []
      : [`  signed by ${key} in ${options.out}`, `  check it anywhere: ${ownCommand({ log: '' }, 'verify', options.out, '--key', key)}`];
  await out.text(['', verdict, ...proof].join('\n'));
  return {
    exitCode: mayBeNode ? EXIT.done : EXIT.failed,
    result: {
      ok: mayBeNode,
      ...findings,
      vectorsSha256: file.digest,
      counts: { ...report.counts },
      wrong: report.wrong.map(wrongJson),
      machine: machine.map((check): Json => ({ ...check })),
      file: signed === undefined ? null : options.out,
      key,
    },
  };
}

function vectorLines({ counts, wrong }: VectorsReport): string[] {
  const rows = Object.entries(counts).map(([family, count]) => {
    const bad = wrong.filter((one) => one.family === family).length;
    return [bad === 0 ? '✓' : '✗', family, grouped(count), bad === 0 ? '' : `${grouped(bad)} wrong`];
  });
  return [columns(rows, [2], '  '), ...wrong.slice(0, WRONG_SHOWN).map((one) => `  ${wrongText(one)}`)];
}

function machineRow({ out }: Context, { name, ok, detail }: MachineCheck): string[] {
  return [ok ? '✓' : out.style('red', '✗'), name, oneLine(detail)];
}

function reason({ wrong: [first] }: VectorsReport, machine: readonly MachineCheck[]): string {
  const failed = machine.find((check) => !check.ok);
  return first === undefined ? `${failed?.name ?? ''}: ${oneLine(failed?.detail ?? '')}` : wrongText(first);
}

function wrongText({ family, name, at, expected, got }: WrongVector): string {
  const shown = (value: Json | undefined): string => shortened(JSON.stringify(value) ?? 'nothing', VALUE_LIMIT);
  return `${family}, ${name}${at === '' ? '' : `, at ${at}`}: expected ${shown(expected)}, got ${shown(got)}`;
}

function wrongJson({ family, name, at, expected, got }: WrongVector): Json {
  return { family, name, at, expected: expected ?? null, got: got ?? null };
}
