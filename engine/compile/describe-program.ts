/**
 * Shows a compiled workflow to a person (text), a program (JSON) or a page (Mermaid): stages, ops with their ids, what they read
 * and write, where results are kept, what they cost. The kernel's own ops (source, shuffle, accept, publish) are shown too.
 */
import type { Json } from '../contract/program.ts';
import type { Compiled } from './compile-host.ts';
import { describeMermaid } from './describe-mermaid.ts';
import type { DescribedOp, DescribedStage } from './describe-ops.ts';
import { describeStages, NOMINAL_FIELD_BYTES, totalGas } from './describe-ops.ts';
import { describeText } from './describe-text.ts';
import { toJson } from './to-json.ts';

export type DescribeFormat = 'text' | 'json' | 'mermaid';

/** @returns text without a final newline; JSON is indented by two spaces. */
export function describeProgram(compiled: Compiled, format: DescribeFormat): string {
  const described = describeStages(compiled);
  if (format === 'json') return JSON.stringify(describeJson(compiled, described), undefined, 2);
  return format === 'mermaid' ? describeMermaid(compiled, described) : describeText(compiled, described);
}

function describeJson(compiled: Compiled, stages: readonly DescribedStage[]): Json {
  return {
    name: compiled.deployment.name,
    digest: compiled.digest,
    deployment: toJson(compiled.deployment),
    gasPerRecord: totalGas(stages),
    nominalFieldBytes: NOMINAL_FIELD_BYTES,
    stages: stages.map(({ stage, ops }) => ({ index: stage.index, kind: stage.kind, partitions: stage.partitions, ops: ops.map(jsonOp) })),
    warnings: toJson(compiled.warnings),
    program: toJson(compiled.program),
  };
}

function jsonOp(op: DescribedOp): Json {
  const { gas, ...rest } = op;
  return { ...rest, ...(gas === undefined ? {} : { gas: { ...gas } }) };
}
