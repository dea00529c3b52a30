/** What determinism vectors can ask: each family computes one outcome, as JSON, by the code that decides records. An error is an outcome, too: its code. */
import { createHash, createHmac } from 'node:crypto';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import type { GoldenCase, Json, Row, Schema } from '#engine';
import {
  canonicalJson,
  compileWorkflow,
  fromHex,
  globalStorage,
  leafHash,
  MizuError,
  parseStrictJson,
  recordCodec,
  rootOf,
  runGoldenCase,
  sha256,
  TaskMachine,
  toHex,
  utf8,
  verifyStrict,
  vrfProve,
  vrfVerify,
  ByteWriter,
  ByteReader,
} from '#engine';
import { z } from 'zod';
import { registry } from '../registry.ts';
import { bitsOf, drawnDoubles, fromBits } from './doubles.ts';

const HEX = z.string().regex(/^([0-9a-f]{2})*$/);
const TEXTS = z.array(z.string());
const STREAM = z.strictObject({ seed: z.string(), count: z.int().min(1).max(1_000_000) });
const ROWS = z.array(z.record(z.string(), z.json()));

type Compute = (input: Json) => Json | Promise<Json>;

/** A family with the form of its inputs. */
function family<Input>(shape: z.ZodType<Input>, compute: (input: Input) => Json | Promise<Json>): Compute {
  return (input) => compute(shape.parse(input));
}

async function outcome(compute: () => Json | Promise<Json>): Promise<Json> {
  try {
    return await compute();
  } catch (error) {
    if (error instanceof MizuError) return { error: error.code };
    throw error;
  }
}

const each = <T>(inputs: readonly T[], compute: (input: T) => Json): Promise<Json[]> =>
  Promise.all(inputs.map((one) => outcome(() => compute(one))));

const digest = (parts: Iterable<Uint8Array | string>): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};

/** + − × ÷ and √ are exact by IEEE 754; a NaN counts as one, whatever its bits. */
function* arithmetic(seed: string, count: number): Generator<string> {
  const values = [...drawnDoubles(seed, count)];
  for (const [n, a] of values.entries()) {
    const b = values[(n + 1) % count] ?? 0;
    for (const result of [a + b, a - b, a * b, a / b, Math.sqrt(Math.abs(a)), Math.floor(b), Math.fround(a)])
      yield Number.isNaN(result) ? 'NaN;' : `${bitsOf(result)};`;
  }
}

/** Of one task of a workflow that reads no file: the program, and the SHA-256 of all frames and of all leaves. */
async function runTask(text: string): Promise<Json> {
  const refuse = async (): Promise<never> => {
    throw new MizuError('INPUT_INVALID', 'A vector reads no files');
  };
  const {
    program,
    digest: name,
    data,
  } = await compileWorkflow({ text, file: 'vector' }, { readFile: refuse, openSource: refuse }, registry);
  const local = { openKeyIndex: () => refuseIndex(), close: async () => undefined };
  const machine = await TaskMachine.open({ program, registry, storage: globalStorage(data.values()), local, expectedRecords: 0 }, name);
  const { frames, leaves, gas } = await machine.execute({ k: 1, first: program.task.size, count: program.task.size, poison: [] }, refuse);
  return { program: name, frames: digest(frames), leaves: digest(leaves), gas };
}

function refuseIndex(): never {
  throw new MizuError('INTERNAL', 'The ops of a task keep no keys');
}

const UNPACK = { zstd: zstdDecompressSync, gzip: gunzipSync } as const;

export const FAMILIES: Readonly<Record<string, Compute>> = {
  /** Doubles by their bits, as canonical JSON prints them. */
  'print numbers': family(TEXTS, (bits) => each(bits, (one) => canonicalJson(fromBits(one)))),
  /** Bits of what strict JSON reads. */
  'parse numbers': family(TEXTS, (texts) => each(texts, (text) => numberBits(parseStrictJson(text)))),
  'print and parse drawn numbers': family(STREAM, ({ seed, count }) =>
    // ECMAScript's printing is what canonical JSON is made of (RFC 8785, 3.2.2.3); +0 makes 0 of −0, as printing does.
    digest([...drawnDoubles(seed, count)].map((value) => `${value} ${Object.is(Number(`${value}`), value + 0)};`)),
  ),
  arithmetic: family(STREAM, ({ seed, count }) => digest(arithmetic(seed, count))),
  /** Strict JSON in, canonical JSON out. */
  json: family(TEXTS, (texts) => each(texts, (text) => canonicalJson(parseStrictJson(text)))),
  /** A record's bytes under a schema; `bits` stand for doubles that JSON can't hold. */
  avro: family(
    z.strictObject({
      schema: z.array(z.strictObject({ name: z.string(), type: z.json() })),
      row: z.record(z.string(), z.json()),
      bits: z.record(z.string(), z.string()).default({}),
    }),
    ({ schema, row, bits }) => {
      const doubles = Object.fromEntries(Object.entries(bits).map(([name, hex]) => [name, fromBits(hex)]));
      const writer = new ByteWriter();
      recordCodec(schema as Schema).encode(writer, { ...row, ...doubles });
      return toHex(writer.take());
    },
  ),
  'read avro': family(
    z.strictObject({ schema: z.array(z.strictObject({ name: z.string(), type: z.json() })), bytes: z.array(HEX) }),
    ({ schema, bytes }) => each(bytes, (one) => canonicalJson(recordCodec(schema as Schema).decode(new ByteReader(fromHex(one))) as Json)),
  ),
  hmac: family(z.strictObject({ key: HEX, messages: TEXTS }), ({ key, messages }) =>
    messages.map((message) => createHmac('sha256', fromHex(key)).update(message).digest('hex')),
  ),
  merkle: family(z.array(HEX), (entries) => toHex(rootOf(entries.map((entry) => leafHash(fromHex(entry)))))),
  ed25519: family(z.strictObject({ key: HEX, message: HEX, signature: HEX }), ({ key, message, signature }) =>
    verifyStrict(fromHex(key), fromHex(message), fromHex(signature)),
  ),
  vrf: family(z.strictObject({ seed: HEX, key: HEX, alphas: TEXTS }), ({ seed, key, alphas }) =>
    each(alphas, (alpha) => {
      const { proof, beta } = vrfProve(fromHex(seed), utf8(alpha));
      return { proof: toHex(proof), beta: toHex(beta), verified: vrfVerify(fromHex(key), utf8(alpha), proof) !== undefined };
    }),
  ),
  /** What a packed source reads as. */
  unpack: family(z.strictObject({ codec: z.enum(['zstd', 'gzip']), packed: HEX }), ({ codec, packed }) =>
    toHex(sha256(UNPACK[codec](fromHex(packed)))),
  ),
  /** One operator over rows. */
  operator: family(
    z.strictObject({
      name: z.string(),
      params: z.json(),
      rows: ROWS,
      schema: z.array(z.strictObject({ name: z.string(), type: z.json() })).optional(),
    }),
    ({ name, params, rows, schema }) =>
      runOperator(name, {
        title: 'vector',
        params,
        input: rows as readonly Row[],
        ...(schema === undefined ? {} : { schema: schema as Schema }),
        output: [],
      }),
  ),
  workflow: family(z.string(), runTask),
};

function numberBits(value: Json): Json {
  return typeof value === 'number' ? bitsOf(value) : { not: 'a number' };
}

/** What became of each row of a golden case. */
export async function runOperator(name: string, golden: GoldenCase): Promise<Json> {
  const operator = registry.operators.find((known) => known.name === name);
  if (operator === undefined) throw new MizuError('NOT_FOUND', `There is no operator '${name}'`);
  return outcomesJson(await runGoldenCase(registry, operator, golden));
}

/** Outcomes as JSON: bytes in hexadecimal, and numbers that canonical JSON refuses by their bits. */
export function outcomesJson(outcomes: readonly object[]): Json {
  const plain = (_key: string, value: unknown): unknown => {
    if (value instanceof Uint8Array) return { hex: toHex(value) };
    const refused = typeof value === 'number' && (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value)));
    return refused ? { bits: bitsOf(value) } : value;
  };
  return JSON.parse(JSON.stringify(outcomes, plain)) as Json;
}

/** The outcome that a family gives for an input. @throws INPUT_INVALID for a family that this version does not know. */
export function compute(name: string, input: Json): Promise<Json> {
  const known = FAMILIES[name];
  if (known === undefined)
    throw new MizuError('INPUT_INVALID', `There is no family of vectors '${name}'`, {
      hint: `There are: ${Object.keys(FAMILIES).join(', ')}.`,
    });
  return outcome(() => known(input));
}
