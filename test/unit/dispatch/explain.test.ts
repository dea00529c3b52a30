/** Anyone is told why a member got a task, and whether the orchestrator kept to the rule (P17). */
import { describe, expect, it } from 'vitest';
import type { ControlBody } from '../../../engine/dispatch/control-entry.ts';
import { explainAssignment, explanationText } from '../../../engine/dispatch/explain.ts';
import { NO_REQUEST } from '../../../engine/dispatch/control-fold.ts';
import { accept, admit, cut, NEEDS, OPEN, Run, tick } from './control-tools.ts';

function text(log: readonly ControlBody[], k: number, attempt?: number): string {
  const explanation = explainAssignment(log, k, attempt, NEEDS);
  return explanation === undefined ? 'none' : explanationText(explanation);
}

describe('an explanation', () => {
  it('shows who was drawn, with weights and loads, and why the winner won', () => {
    const members = [admit(0, { slots: 2 }, 'left'), admit(1, { slots: 4, weight: 3 }, 'right'), admit(2, { ops: [] }, 'unable')];
    const tie = new Run(...members);
    tie.decide({ cuts: [cut(0)] });
    expect(text(tie.log, 0)).toMatch(/Node 0 has the lowest number of those with the least load per slot: 0\/2, against 0\/4 of node 1\./);
    const busy = [0, 1].flatMap((node): ControlBody[] => [cut(8 + node), { type: 'assign', k: 8 + node, attempt: 0, node, deadline: 9 }]);
    const run = new Run(...members, cut(0), ...busy);
    run.decide();
    expect(text(run.log, 0)).toBe(
      [
        'Task 0/0, attempt 0: node 1 (right), assigned at tick 0, late after tick 3.',
        'Members that take tasks and offer all ops that it needs: 2.',
        'Drawn among 2 members with a free slot, total weight 4:',
        '  draw  point  node  member  weight  load  slots',
        '  0     2      1     right   3       1     4',
        '  1     0      0     left    1       1     2',
        'Node 1 has the least load per slot: 1/4, against 1/2 of node 0. The log says the same.',
      ].join('\n'),
    );
  });

  it('names those that were left out because they were at the task already, and takes the newest attempt', () => {
    const run = new Run(admit(0), admit(1), cut(0));
    run.decide();
    run.write(tick(10));
    run.decide();
    const [first, second] = run.of('assign').map(({ node }) => node);
    expect(text(run.log, 0)).toContain(`attempt 1: node ${second} (m${second})`);
    expect(text(run.log, 0)).toContain(`At it already, and so left out: node ${first} (m${first}).`);
    expect(text(run.log, 0)).toContain(`Every draw fell on node ${second}. The log says the same.`);
    expect(text(run.log, 0, 0)).toContain(`attempt 0: node ${first}`);
    expect(text(run.log, 0, 2)).toBe('none');
    expect(text(run.log, 1)).toBe('none');
  });

  it('asks for the memory that control asked for then, whatever it asks for now', () => {
    const settings: ControlBody = { type: 'settings', nodes: 9, deadlineMs: 9, memory: 700, request: NO_REQUEST };
    const run = new Run({ ...OPEN, memory: 600 }, admit(0, { memory: 599 }), admit(1, { memory: 600 }), admit(2, { memory: 700 }), cut(0));
    run.decide();
    run.write(settings, cut(1));
    run.decide();
    expect(text(run.log, 0)).toContain('offer all ops that it needs and 600 bytes of memory for each slot: 2.');
    expect(text(run.log, 1)).toContain('offer all ops that it needs and 700 bytes of memory for each slot: 1.');
    expect([text(run.log, 0), text(run.log, 1)].every((one) => one.includes('The log says the same.'))).toBe(true);
  });

  it('holds after the task is done and forgotten', () => {
    const run = new Run(admit(0), cut(0));
    run.decide();
    const totals = {
      candidates: 0,
      accepted: 0,
      corrected: 0,
      duplicates: 0,
      failed: 0,
      rejected: {},
      gas: 0,
      localBytes: 0,
      globalBytes: 0,
    };
    run.write(accept(0, 0, 0), { type: 'mark', published: 1, totals, stages: [], members: [], results: [] });
    expect(text(run.log, 0)).toContain('The log says the same.');
  });

  it('says so when the log does not keep to the rule', () => {
    const assign = (node: number): ControlBody => ({ type: 'assign', k: 0, attempt: 0, node, deadline: 3 });
    const explanation = explainAssignment([admit(0), admit(1, { ops: [] }), cut(0), assign(1)], 0, 0, NEEDS);
    expect(explanation).toMatchObject({ equal: false, logged: 1, choice: { node: 0 } });
    expect(text([admit(0), admit(1, { ops: [] }), cut(0), assign(1)], 0)).toContain(
      'The log says node 1 (m1): it does not keep to the rule.',
    );
    expect(text([admit(1, { ops: [] }), cut(0), assign(1)], 0)).toContain('None of them could take more: by the rule it had to wait.');
  });

  it('says so when a task was sent to wait though tasks are slow', () => {
    const assign = (k: number, attempt = 0): ControlBody => ({ type: 'assign', k, attempt, node: 0, deadline: 99 });
    const log = (ticks: number): ControlBody[] => [
      admit(0),
      cut(0),
      assign(0),
      tick(ticks),
      accept(0, 0, 0),
      cut(1),
      assign(1),
      cut(2),
      assign(2),
    ];
    expect(explainAssignment(log(1), 2, 0, NEEDS)).toMatchObject({ equal: true, choice: { among: 'room' } });
    expect(text(log(1), 2)).toContain(
      'Drawn among 1 member with no free slot, but with room to wait (4 tasks per slot at most), total weight 1:',
    );
    expect(explainAssignment(log(50), 2, 0, NEEDS)).toMatchObject({ equal: false, choice: undefined });
  });
});
