/** `node main.ts FILE` plays a file of W1 through the DataVM and prints, as one object, what it cost and the digest of all records. With `--import off.ts` nothing is proved. */
import { compileFile } from '#topologies';
import { playDatavm } from '../engines/datavm.ts';
import { Cleanup } from '../harness/cleanup.ts';
import { linesOf, w1Reference, WORKFLOW_FILE } from '../w1/data.ts';
import { W1Check } from '../w1/reference.ts';

const [file = ''] = process.argv.slice(2);
const compiled = await compileFile(WORKFLOW_FILE, [`generate[0].read.path=${file}`]);
const check = new W1Check(await w1Reference(file));
const cleanup = new Cleanup();
try {
  process.stdout.write(`${JSON.stringify(await playDatavm(compiled, linesOf(file), check, cleanup))}\n`);
} finally {
  await cleanup.run();
}
