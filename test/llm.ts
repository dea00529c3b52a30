/**
 * `npm run test:llm`: the tests that ask a real small model. They run through `test/run.ts`, so the counts and the reasons of skips are the same; the
 * first run loads about 220 MB. `MIZU_REQUIRE_LLM=1` makes it a failure when the model can't be set up.
 */
process.env.MIZU_LLM = '1';
process.argv.push('test/integration/inference-llm');
await import('./run.ts');
