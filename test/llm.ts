/**
 * `npm run test:llm`: the tests that ask a real small model. They run through `test/run.ts`, so the counts and the reasons of skips are the same; the
 * first run loads about 220 MB. Where the model can't be set up, that is said loudly; with `MIZU_REQUIRE_LLM=1` it is a failure. `MIZU_LLM_RECORDS`
 * says how many records `support-tickets` makes.
 */
import { setUpModel } from './support/real-model.ts';

const setUp = setUpModel();
if ('missing' in setUp) {
  process.stdout.write(`\n*** NOTHING WAS TESTED WITH A REAL MODEL: it can't be set up. Missing: ${setUp.missing} ***\n\n`);
  process.exitCode = process.env['MIZU_REQUIRE_LLM'] === '1' ? 1 : 0;
} else {
  process.env['MIZU_LLM'] = '1';
  process.argv.push('test/integration/inference-llm', 'test/integration/support-tickets-llm');
  await import('./run.ts');
}
