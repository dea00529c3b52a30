/** What a deployment is allowed to do and should be known of is said before it is done. */
import { expect, it } from 'vitest';
import { planWorkflow } from '#topologies';
import { withQuickLog, withWorkflow } from '../../support/run-support.ts';
import { longFiles } from '../../support/run-support-workflows.ts';

const NEVER = new AbortController().signal;

it('a retention on a folder is said to have no effect', async () => {
  const text = longFiles('w')['workflow.yaml'] ?? '';
  const notesOf = (workflow: string): Promise<readonly string[]> =>
    withWorkflow({ 'workflow.yaml': workflow }, (compiled) =>
      withQuickLog(async (log) => {
        return (await planWorkflow(compiled, { log, newGeneration: false, env: () => undefined, by: 'ann@desk', signal: NEVER })).notes;
      }),
    );
  expect(await notesOf(text)).toEqual([]);
  expect(await notesOf(text.replace(/^\{/, '{"retention": {"time": "1h"},'))).toEqual([
    'This log is a folder, which forgets nothing: retention has no effect here',
  ]);
});
