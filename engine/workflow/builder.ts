/**
 * The workflow language in TypeScript. What it builds is the same document that YAML holds, so the same workflow gives the same
 * program and digest either way.
 *
 * @example
 * workflow({ name: 'tickets', seed: 7, accept: 100, data: { products: { list: ['kettle', 'lamp'] } } })
 *   .generate(step('select', { from: 'products', as: 'product' }))
 *   .verify(step('length', { field: 'product', min: 3 }))
 *   .publish({ fields: ['product'] })
 *   .document
 */
import { stringify } from 'yaml';
import type { Json } from '../contract/program.ts';
import type { WorkflowDocument } from './workflow-schema.ts';

/** One operator with its parameters. */
export type StepDocument<Name extends string = string, Params extends object = object> = { readonly [N in Name]: Params };

/** A step. Its parameters are checked when the workflow is compiled. */
export function step<Name extends string, Params extends object>(operator: Name, params: Params): StepDocument<Name, Params> {
  return { [operator]: params } as StepDocument<Name, Params>;
}

/** As `step`, for a map from operator names to their parameters' types: mistakes then show in the editor. */
export function typedStep<Operators extends { readonly [name: string]: object }>(): <Name extends keyof Operators & string>(
  operator: Name,
  params: Operators[Name],
) => StepDocument<Name, Operators[Name]> {
  return (operator, params) => step(operator, params);
}

export type WorkflowSettings = Omit<WorkflowDocument, 'mizu' | 'generate' | 'verify' | 'publish'>;

export function workflow(settings: WorkflowSettings): WorkflowBuilder {
  return new WorkflowBuilder({ mizu: 1, ...settings, generate: [] });
}

/** Each method returns a new builder; none changes the one it is called on. */
export class WorkflowBuilder {
  readonly document: WorkflowDocument;

  constructor(document: WorkflowDocument) {
    this.document = document;
  }

  /** Adds steps that make a record. */
  generate(...steps: readonly StepDocument[]): WorkflowBuilder {
    return new WorkflowBuilder({ ...this.document, generate: [...this.document.generate, ...steps.map(plain)] });
  }

  /** Adds steps that check, correct or drop it. */
  verify(...steps: readonly StepDocument[]): WorkflowBuilder {
    return new WorkflowBuilder({ ...this.document, verify: [...(this.document.verify ?? []), ...steps.map(plain)] });
  }

  publish(publish: NonNullable<WorkflowDocument['publish']>): WorkflowBuilder {
    return new WorkflowBuilder({ ...this.document, publish });
  }

  /** The workflow as a file. */
  toYaml(): string {
    return stringify(this.document, { lineWidth: 120 });
  }
}

type PlainStep = WorkflowDocument['generate'][number];

/** Keys whose value is undefined are no keys, as in YAML. */
function plain(document: StepDocument): PlainStep {
  return JSON.parse(JSON.stringify(document)) as { [key: string]: Json } as PlainStep;
}
