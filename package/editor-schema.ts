/** JSON Schema (2020-12) of workflow files, with the parameters of every operator: `mizu/workflow.schema.json` holds the same. */
import { workflowJsonSchema } from '#engine';
import { registry } from '#topologies';

/** A plain object, to be written as JSON. */
export function editorSchema(): object {
  return workflowJsonSchema(registry);
}
