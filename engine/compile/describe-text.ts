/** A program as text for a terminal of 100 columns. */
import { fileSource, topicSource } from '../contract/program.ts';
import { describeType } from '../contract/types.ts';
import { shorten } from '../workflow/place.ts';
import type { Compiled } from './compile-host.ts';
import type { DescribedOp, DescribedStage } from './describe-ops.ts';
import { describeTopic, NOMINAL_FIELD_BYTES, totalGas } from './describe-ops.ts';

/** Widest line. */
export const TEXT_COLUMNS = 100;
const LIMITS = { id: 28, op: 14 } as const;
const STORAGE_WIDTH = 7;
const GAS_WIDTH = 8;
const INDENT = '  ';

export function describeText(compiled: Compiled, stages: readonly DescribedStage[]): string {
  const { program, deployment, digest } = compiled;
  const lines = [`${deployment.name}`, `${INDENT}program  ${digest}`, `${INDENT}run      ${runWords(compiled)}`];
  const files = fileSource(program);
  if (files !== undefined) lines.push(`${INDENT}source   ${files.records} ${files.format} records, digest ${files.digest.slice(0, 16)}`);
  const topic = topicSource(program);
  if (topic !== undefined) lines.push(`${INDENT}source   ${describeTopic(topic)}`);
  for (const [name, data] of Object.entries(program.data)) {
    lines.push(
      cut(`${INDENT}data     ${name}: ${data.kind} of ${data.size} × ${describeType(data.type)}, digest ${data.digest.slice(0, 16)}`),
    );
  }
  const ops = stages.flatMap((stage) => stage.ops);
  const idWidth = Math.min(LIMITS.id, Math.max(...ops.map((op) => op.id.length), 4));
  const opWidth = Math.min(LIMITS.op, Math.max(...ops.map((op) => op.op.length), 2));
  for (const { stage, ops: stageOps } of stages) {
    const parts =
      stage.kind === 'source' ? 'on any node, task by task' : `${stage.partitions} ${stage.partitions === 1 ? 'partition' : 'partitions'}`;
    lines.push(
      '',
      `stage ${stage.index} · ${stage.kind} · ${parts}`,
      row('step', 'op', 'reads → writes', 'storage', 'gas', idWidth, opWidth),
    );
    for (const op of stageOps) lines.push(...opLines(op, idWidth, opWidth));
  }
  lines.push('', `gas per record that passes every step: about ${totalGas(stages)} (a text counted as ${NOMINAL_FIELD_BYTES} bytes)`);
  lines.push(
    ...wrap(`publishes ${program.published.map((field) => `${field.name}: ${describeType(field.type)}`).join(', ')}`, TEXT_COLUMNS, INDENT),
  );
  return lines.join('\n');
}

function runWords({ program }: Compiled): string {
  const upTo = program.budget.candidates === undefined ? '' : ` of at most ${program.budget.candidates} candidates`;
  const count = program.accept === undefined ? `all records that pass${upTo}` : `exactly ${program.accept} records${upTo}`;
  return `${count} · seed ${shorten(String(program.seed), 20)} · tasks of ${program.task.size} · blocks of ${program.block}`;
}

function opLines(op: DescribedOp, idWidth: number, opWidth: number): string[] {
  const flow =
    op.kind === 'kernel'
      ? op.note
      : `${op.reads.join(', ') || '–'} → ${op.writes.join(', ') || '–'}${op.note === '' ? '' : ` (${op.note})`}`;
  const [first = '', ...more] = wrap(flow, flowWidth(idWidth, opWidth), '');
  const gas = op.gas === undefined ? '' : String(op.gasPerRecord);
  return [row(op.id, op.op, first, op.storage, gas, idWidth, opWidth), ...more.map((text) => row('', '', text, '', '', idWidth, opWidth))];
}

function flowWidth(idWidth: number, opWidth: number): number {
  return TEXT_COLUMNS - INDENT.length - idWidth - opWidth - STORAGE_WIDTH - GAS_WIDTH - 8;
}

function row(id: string, op: string, flow: string, storage: string, gas: string, idWidth: number, opWidth: number): string {
  const cells = [
    padTo(id, idWidth),
    padTo(op, opWidth),
    padTo(flow, flowWidth(idWidth, opWidth)),
    padTo(storage, STORAGE_WIDTH),
    gas.padStart(GAS_WIDTH),
  ];
  return `${INDENT}${cells.join('  ')}`.trimEnd();
}

function padTo(text: string, width: number): string {
  return shorten(text, width).padEnd(width);
}

function cut(text: string): string {
  return text.length <= TEXT_COLUMNS ? text : `${text.slice(0, TEXT_COLUMNS - 1)}…`;
}

/** Breaks at spaces; a word that is too long is shortened. */
function wrap(text: string, width: number, indent: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const next = line === '' ? word : `${line} ${word}`;
    if (next.length <= width) {
      line = next;
      continue;
    }
    if (line !== '') lines.push(line);
    line = shorten(`${indent}${indent === '' ? word : ''}`, width) + (indent === '' ? '' : word.slice(0, width - indent.length));
  }
  lines.push(line);
  return lines;
}
