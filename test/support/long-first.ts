/** Begins with the files that take longest, so that no core stands idle at the end. From a fresh clone nothing is known of them but this list. */
import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files of more than half a minute, the longest first. A name that is no file any more is a failure of `test/gates/test-runner.test.ts`. */
export const LONG_FILES: readonly string[] = [
  'test/fault/network-kafka.test.ts',
  'test/property/oracle.test.ts',
  'test/fault/run-commits.test.ts',
  'test/integration/package.test.ts',
  'test/fault/kafka-cluster.test.ts',
  'test/fault/network-embedded.test.ts',
  'test/integration/cli-resume.test.ts',
  'test/integration/cli.test.ts',
  'test/integration/kafka-source.test.ts',
  'test/integration/kafka-acl-outside.test.ts',
  'test/integration/lifecycle.test.ts',
  'test/integration/kafka-broker.test.ts',
  'test/integration/cli-lifecycle.test.ts',
  'test/integration/kafka-sink.test.ts',
  'test/integration/token-budget.test.ts',
  'test/fault/run-determinism.test.ts',
  'test/fault/budget-kill.test.ts',
  'test/integration/verify-kafka.test.ts',
  'test/fault/run-state.test.ts',
  'test/fault/kafka-log-broker.test.ts',
  'test/fault/kafka-log-security.test.ts',
  'test/integration/judging.test.ts',
  'test/integration/tutorial.test.ts',
];

export class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId, project }: TestSpecification): number => {
      const at = LONG_FILES.indexOf(relative(project.config.root, moduleId));
      return at < 0 ? LONG_FILES.length : at;
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}
