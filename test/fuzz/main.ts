/** `npm run fuzz -- --files N --seed S`: damages workflows in N ways and judges each; says how to play again what it finds. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeCorpus } from './corpus.ts';
import { fileOf, judgeFile, type Kind, play } from './play.ts';

const USAGE = 'npm run fuzz -- [--files N] [--from N] [--seed S] [--kind workflow|gateway] [--threads N] | --seed S --only N [--kind …]';

function whole(text: string | undefined, least: number): number | undefined {
  const value = Number(text);
  return text !== undefined && /^\d{1,9}$/.test(text) && value >= least ? value : undefined;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      files: { type: 'string', default: '10000' },
      from: { type: 'string', default: '0' },
      seed: { type: 'string', default: '1' },
      kind: { type: 'string', default: 'workflow' },
      threads: { type: 'string', default: String(availableParallelism()) },
      only: { type: 'string' },
    },
  });
  const [files, from, seed, threads] = [whole(values.files, 1), whole(values.from, 0), whole(values.seed, 0), whole(values.threads, 1)];
  const kind: Kind | undefined = values.kind === 'workflow' || values.kind === 'gateway' ? values.kind : undefined;
  if (files === undefined || from === undefined || seed === undefined || threads === undefined || kind === undefined) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  if (values.only !== undefined) return again(kind, seed, Number(values.only));
  const began = performance.now();
  process.stdout.write(`seed ${seed}, files ${from}..${from + files - 1} (${kind})\n`);
  const played = await play({ kind, seed, from, to: from + files, threads }, (done) => {
    if (done % 5_000 < 100) process.stderr.write(`${done} files, ${((performance.now() - began) / 1000).toFixed(0)} s\n`);
  });
  const { compiles, refused, slowest, findings } = played;
  for (const { n, name, failure } of findings) {
    process.stdout.write(
      `\n${name}, damaged: ${failure.slice(0, 2_000)}\n  again: npm run fuzz -- --kind ${kind} --seed ${seed} --only ${n}\n`,
    );
  }
  process.stdout.write(
    `\nseed ${seed}: ${played.files} files in ${((performance.now() - began) / 1000).toFixed(1)} s: ${compiles} compile, ${refused} are refused with place and cure; ` +
      `slowest ${slowest.seconds.toFixed(2)} s (${slowest.n}); findings: ${findings.length}\n`,
  );
  return findings.length === 0 ? 0 : 1;
}

/** One file again: written out, and what is said of it. */
async function again(kind: Kind, seed: number, n: number): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'mizu-fuzz-'));
  try {
    const corpus = writeCorpus(folder);
    const { name, bytes } = fileOf(corpus, { kind, seed }, n);
    const file = join(tmpdir(), `fuzz-${kind}-${seed}-${n}.yaml`);
    writeFileSync(file, bytes);
    process.stdout.write(`${name}, damaged: ${file}, ${bytes.length} bytes\n`);
    const verdict = await judgeFile(corpus, kind, bytes);
    process.stdout.write(`${typeof verdict === 'string' ? verdict : verdict.failure}\n`);
    return typeof verdict === 'string' ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode = await main();
