/** A program as a Mermaid flowchart: one box per op, one frame per stage. */
import type { Compiled } from './compile-host.ts';
import type { DescribedOp, DescribedStage } from './describe-ops.ts';

export function describeMermaid(compiled: Compiled, stages: readonly DescribedStage[]): string {
  const lines = ['flowchart TD'];
  const arrows: string[] = [];
  let before: string | undefined;
  let label = '';
  for (const { stage, ops } of stages) {
    const parts = stage.kind === 'source' ? '' : `, ${stage.partitions} ${stage.partitions === 1 ? 'partition' : 'partitions'}`;
    lines.push(`  subgraph stage${stage.index}["stage ${stage.index}: ${stage.kind}${parts}"]`);
    ops.forEach((op, i) => {
      const node = `s${stage.index}o${i}`;
      lines.push(`    ${node}${shape(op)}`);
      if (before !== undefined) arrows.push(`  ${before} -->${label === '' ? '' : `|"${label}"|`} ${node}`);
      before = node;
      label = '';
    });
    lines.push('  end');
    if (stage.shuffle !== undefined) label = entities(stage.output.map((field) => field.name).join(', '));
  }
  for (const [i, [name, data]] of Object.entries(compiled.program.data).entries()) {
    lines.push(`  d${i}[("${entities(`${name}: ${data.size}`)}")]`);
    stages.forEach(({ stage }) => {
      const offset = stage.kind === 'source' ? 1 : 0;
      stage.ops.forEach((op, at) => {
        if (op.data.includes(data.digest)) arrows.push(`  d${i} -.-> s${stage.index}o${at + offset}`);
      });
    });
  }
  return [...lines, ...arrows].join('\n');
}

function shape(op: DescribedOp): string {
  const title =
    op.kind === 'kernel'
      ? `<b>${entities(op.id)}</b><br/>${entities(op.note)}`
      : `<b>${entities(op.id)}</b><br/>${entities(op.op)}${op.writes.length === 0 ? '' : `<br/>→ ${entities(op.writes.join(', '))}`}`;
  return op.kind === 'kernel' ? `(["${title}"])` : op.kind === 'keyed' ? `[["${title}"]]` : `["${title}"]`;
}

/** Mermaid reads entity codes written with #. */
function entities(text: string): string {
  return text.replaceAll(/[#"<>&;]/g, (c) => `#${c.charCodeAt(0)};`);
}
