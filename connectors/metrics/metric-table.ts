/**
 * Every metric, in one table: what it is named, counts and is labelled with. It registers the metrics and is their documentation. Names follow the
 * conventions of Prometheus: prefix, base unit, `_total` for what only grows. Beside these stand the default metrics of Node (`process_`, `nodejs_`).
 */

export interface MetricSpec {
  readonly name: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** Beside `member`, which every series has: the name of the process. */
  readonly labels: readonly string[];
  /** Upper bounds, seconds. */
  readonly buckets?: readonly number[];
}

/** From a commit on one disk to one that a broker was restarted in. */
const COMMIT_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** From a task of cheap rules to one that waits for a slow model. */
const ATTEMPT_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
/** From an answer that the log held to the longest call that is waited for. */
const ANSWER_BUCKETS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 180];

const counter = (name: string, help: string, ...labels: string[]): MetricSpec => ({ name, kind: 'counter', help, labels });
const gauge = (name: string, help: string, ...labels: string[]): MetricSpec => ({ name, kind: 'gauge', help, labels });
const seconds = (name: string, help: string, buckets: readonly number[], ...labels: string[]): MetricSpec => ({
  name,
  kind: 'histogram',
  help,
  labels,
  buckets,
});

export const METRICS = {
  build: gauge('mizu_build_info', 'Always 1; the version of Mizu and of Node are its labels', 'version', 'node'),
  ready: gauge('mizu_ready', 'Whether /readyz says that the process can do its work, 0 or 1'),
  runs: gauge('mizu_runs_served', 'Runs that the process plays its roles in now'),

  orchestratorActive: gauge('mizu_orchestrator_active', 'Whether this process orchestrates the run, 0 or 1', 'run'),
  ticks: counter('mizu_control_ticks_total', 'Ticks that the control log has counted', 'run'),
  silence: gauge('mizu_control_silence_seconds', 'Time since this process saw the last tick', 'run'),
  paused: gauge('mizu_run_paused', 'Whether the run is paused, draining or stopped, 0 or 1', 'run'),
  members: gauge('mizu_members', 'Members that take part in the run', 'run'),
  candidates: counter('mizu_candidates_total', 'Candidates of complete tasks; told, like all records, by the active orchestrator', 'run'),
  accepted: counter('mizu_records_accepted_total', 'Records that were verified and published', 'run'),
  corrected: counter('mizu_records_corrected_total', 'Records that a step corrected', 'run'),
  rejected: counter('mizu_records_rejected_total', 'Records that a step rejected', 'run', 'step'),
  duplicates: counter('mizu_records_duplicate_total', 'Records that another one won over', 'run'),
  failed: counter('mizu_records_failed_total', 'Records that an error ended', 'run'),
  gas: counter('mizu_gas_total', 'Gas of complete tasks', 'run'),
  tokens: counter(
    'mizu_answer_tokens_total',
    'Tokens that questions of complete tasks took, paid now or before, by direction (in, out)',
    'run',
    'step',
    'direction',
  ),
  tasksCut: counter('mizu_tasks_cut_total', 'Tasks cut', 'run'),
  tasksPublished: counter('mizu_tasks_published_total', 'Tasks complete in every stage', 'run'),
  tasksInFlight: gauge('mizu_tasks_in_flight', 'Tasks cut and not complete', 'run'),

  compared: counter(
    'mizu_results_compared_total',
    'Second results of tasks that the active orchestrator compared with the ones that count, by outcome (equal, unequal)',
    'run',
    'outcome',
  ),

  joined: gauge('mizu_member_joined', 'Whether this process takes part in the run as a member, 0 or 1', 'run'),
  losses: counter('mizu_member_lost_total', 'Times that this process lost its place in the run', 'run', 'reason'),
  attemptsStarted: counter('mizu_attempts_started_total', 'Attempts of tasks that this process began', 'run'),
  attemptsEnded: counter(
    'mizu_attempts_ended_total',
    'Attempts that ended, by outcome (committed, failed, dropped) and error code',
    'run',
    'outcome',
    'code',
  ),
  attemptsRunning: gauge('mizu_attempts_running', 'Attempts that are begun and not ended', 'run'),
  attemptSeconds: seconds(
    'mizu_attempt_seconds',
    'Duration of an attempt, waiting for answers and commit included',
    ATTEMPT_BUCKETS,
    'run',
    'outcome',
  ),
  workerDeaths: counter('mizu_worker_deaths_total', 'Worker threads that ended and were replaced', 'run'),

  leasesHeld: gauge('mizu_leases_held', 'Leases that this process holds: step, checkpointer, gateway', 'run', 'role'),
  leaseChanges: counter('mizu_lease_changes_total', 'Leases that this process was given or lost', 'run', 'role', 'change'),
  steps: counter('mizu_steps_committed_total', 'Steps that this process committed', 'run', 'stage', 'partition'),
  stepLag: gauge('mizu_step_lag_tasks', 'Tasks cut and not yet taken by the partition, at its holder', 'run', 'stage', 'partition'),
  treeLeaves: gauge('mizu_tree_leaves', 'Leaves in the tree, at the checkpointer', 'run'),
  treeTasks: gauge('mizu_tree_tasks', 'Tasks in the tree, at the checkpointer', 'run'),

  questions: counter(
    'mizu_gateway_questions_total',
    'Questions that this gateway settled, by outcome (answered, unanswered, refused) and error code',
    'run',
    'model',
    'outcome',
    'code',
  ),
  answerSeconds: seconds(
    'mizu_gateway_answer_seconds',
    'Time from reading a question to its recorded answer',
    ANSWER_BUCKETS,
    'run',
    'model',
  ),

  endpointRequests: counter(
    'mizu_endpoint_requests_total',
    'Requests to the HTTP endpoint, by caller (empty for nobody), model, status of HTTP, error code of the answer, and whether it was recorded before',
    'caller',
    'model',
    'status',
    'error',
    'recorded',
  ),
  endpointSeconds: seconds('mizu_endpoint_seconds', 'Time of a request to the HTTP endpoint', ANSWER_BUCKETS, 'model', 'recorded'),
  endpointTokens: counter(
    'mizu_endpoint_tokens_total',
    'Tokens of new answers of the HTTP endpoint, as servers counted them: each once, however many asked for it together, and whoever left',
    'caller',
    'model',
  ),
  modelCalls: counter(
    'mizu_model_calls_total',
    'Calls of the HTTP endpoint to model servers, by end (good, put-off, failed, left)',
    'model',
    'end',
  ),
  modelLimit: gauge(
    'mizu_model_calls_limit',
    'Calls at once that the HTTP endpoint makes to a model now; below one it pauses between them',
    'model',
  ),
  modelRunning: gauge('mizu_model_calls_running', 'Calls of the HTTP endpoint to a model that are on their way', 'model'),
  modelWaiting: gauge('mizu_model_calls_waiting', 'Questions to a model that wait for their turn at the HTTP endpoint', 'model'),
  modelHeld: gauge('mizu_model_held_seconds', 'Time for which the HTTP endpoint calls a model no more, as its server asked', 'model'),
  modelGivenUp: gauge('mizu_model_given_up', 'Whether the HTTP endpoint gave a model up for now, 0 or 1', 'model'),

  commits: counter(
    'mizu_commits_total',
    'Commits to the log, by the role that wrote and outcome (committed, aborted, unknown)',
    'run',
    'role',
    'outcome',
  ),
  commitSeconds: seconds('mizu_commit_seconds', 'Duration of a commit', COMMIT_BUCKETS, 'run', 'role'),
  writtenEntries: counter('mizu_log_written_entries_total', 'Entries committed to the log', 'run', 'role'),
  writtenBytes: counter('mizu_log_written_bytes_total', 'Keys and values committed to the log', 'run', 'role'),

  failures: counter('mizu_failures_total', 'Failures that a part of the process went on after', 'run', 'role', 'code'),
  troubles: counter('mizu_troubles_total', 'Failures that ended the work of this process on a run, or its look at the log', 'run', 'code'),
} as const satisfies Record<string, MetricSpec>;

export type MetricName = keyof typeof METRICS;

/** The table as documents/metrics.md shows it. */
export function metricsMarkdown(): string {
  const rows = Object.values<MetricSpec>(METRICS).map(
    ({ name, kind, labels, help }) => `| \`${name}\` | ${kind} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
  );
  return ['| metric | kind | labels | says |', '|---|---|---|---|', ...rows].join('\n');
}
