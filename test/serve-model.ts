/**
 * `npm run model`: the real small model of the tests as a server to try workflows with, on http://127.0.0.1:8080/v1 (`npm run model -- PORT` for
 * another port), until Ctrl-C. The first run loads about 220 MB; what is missing is said by name.
 */
import { setUpModel, startModel } from './support/real-model.ts';

const DEFAULT_PORT = 8080;

const port = Number(process.argv[2] ?? DEFAULT_PORT);
process.stdout.write('Setting up the model; the first time this loads about 220 MB…\n');
const setUp = setUpModel();
if ('missing' in setUp) {
  process.stderr.write(`The model can't be set up: ${setUp.missing}\n`);
  process.exitCode = 1;
} else {
  const model = await startModel(setUp, port);
  process.stdout.write(`SmolLM2-135M-Instruct answers on ${model.url}; Ctrl-C ends it.\n`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void model.close());
}
