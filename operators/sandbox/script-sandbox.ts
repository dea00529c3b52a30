/**
 * One script, ready to be asked about records: confined (law 11), and a function of the record alone (law 1). Steps, depth and memory are counted by
 * the engine itself, which starts every record from the same memory; no limit is a matter of time.
 */
import { PRELUDE } from './prelude.ts';
import { QuickJs, ScriptException, TrapError, type Trap } from './quickjs.ts';

/** Longest script, UTF-16 units. */
export const SCRIPT_LIMIT = 100_000;
/** Turns of loops and calls inside the engine, for one record; a turn of a plain loop in a script takes about 30. 0.1 to 0.4 s. */
export const SCRIPT_STEP_LIMIT = 20_000_000;
/** As many more for each byte of a record's JSON: reading and writing a text takes about 10. */
export const SCRIPT_STEPS_PER_BYTE = 50;
/** Nested calls inside the engine; a call of a script takes one to five. A thread's stack of 984 KiB holds 2,400. */
export const SCRIPT_DEPTH_LIMIT = 1_000;
/** The engine's whole memory, bytes; 5.4 MiB of it are its own. */
export const SCRIPT_MEMORY_BYTES = 67_108_864;
/** The fields of a record that a script gets, as JSON, and what it makes of them: bytes of UTF-8. */
export const SCRIPT_RECORD_BYTES = 4_194_304;

/** Name of the script in its own stack traces. */
const FILE = 'script.js';

/** A script that can't be used, with its place. Lines and columns are 1-based. */
export class ScriptProblem extends Error {
  override readonly name = 'ScriptProblem';
  readonly line: number | undefined;
  readonly column: number | undefined;

  constructor(message: string, place: Place | undefined) {
    super(message);
    this.line = place?.line;
    this.column = place?.column;
  }
}

export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Codes of records that a script failed. */
export type ScriptCode =
  | 'SCRIPT_ERROR'
  | 'SCRIPT_RESULT'
  | 'SCRIPT_STEPS'
  | 'SCRIPT_DEPTH'
  | 'SCRIPT_MEMORY'
  | 'SCRIPT_INPUT'
  | 'SCRIPT_OUTPUT'
  | 'SCRIPT_CRASHED';

/** What came of one record: the prelude's words, or the limit that was broken. */
export type ScriptRun = { readonly steps: number } & ({ readonly words: string } | { readonly code: ScriptCode });

const CODES: Readonly<Record<Trap, ScriptCode>> = {
  steps: 'SCRIPT_STEPS',
  depth: 'SCRIPT_DEPTH',
  memory: 'SCRIPT_MEMORY',
  engine: 'SCRIPT_CRASHED',
};

export const LIMIT_TEXTS: Readonly<Partial<Record<ScriptCode, string>>> = {
  SCRIPT_STEPS: `the script takes more than ${SCRIPT_STEP_LIMIT} steps and ${SCRIPT_STEPS_PER_BYTE} for each byte of the record`,
  SCRIPT_DEPTH: `calls are nested deeper than ${SCRIPT_DEPTH_LIMIT} levels of the engine`,
  SCRIPT_MEMORY: `the script needs more than ${SCRIPT_MEMORY_BYTES} bytes of memory`,
  SCRIPT_INPUT: `the fields that the script gets have more than ${SCRIPT_RECORD_BYTES} bytes as JSON`,
  SCRIPT_OUTPUT: `what the script gives has more than ${SCRIPT_RECORD_BYTES} bytes as JSON`,
  SCRIPT_CRASHED: 'the script makes the engine stop',
};

export class ScriptSandbox {
  private readonly engine: QuickJs;
  private readonly run: (json: string) => string | undefined;

  /**
   * @param bytesType see `bytesIn`.
   * @throws ScriptProblem for a script that has a wrong syntax, throws, gives no function, or breaks a limit before it is asked.
   */
  constructor(code: string, bytesType: string) {
    const { source, shift } = asModule(code);
    const engine = new QuickJs(SCRIPT_MEMORY_BYTES);
    this.engine = engine;
    const judge = this.opened(() => {
      engine.allow(SCRIPT_STEP_LIMIT, SCRIPT_DEPTH_LIMIT);
      const make = engine.evaluate(PRELUDE, 'prelude.js', 'script');
      const user = engine.property(engine.evaluate(source, FILE, 'module'), 'default');
      return engine.call(make, [
        user,
        ...[bytesType, SCRIPT_RECORD_BYTES].map((value) => engine.evaluate(`(${value})`, 'given.js', 'script')),
      ]);
    }, shift);
    if (engine.typeOf(judge) !== 'function') {
      throw new ScriptProblem('The script gives no function: write `(record, drop) => …`, or `export default` one', undefined);
    }
    engine.freeze();
    this.run = (json) => engine.text(engine.call(judge, [engine.string(json)]), SCRIPT_RECORD_BYTES);
  }

  /** Asks about one record. */
  ask(json: string): ScriptRun {
    const bytes = Buffer.byteLength(json);
    if (bytes > SCRIPT_RECORD_BYTES) return { code: 'SCRIPT_INPUT', steps: 0 };
    const { engine } = this;
    const limit = SCRIPT_STEP_LIMIT + SCRIPT_STEPS_PER_BYTE * bytes;
    engine.thaw();
    engine.allow(limit, SCRIPT_DEPTH_LIMIT);
    const taken = (): number => limit - Math.max(0, engine.stepsLeft);
    try {
      const words = engine.guard(() => this.run(json));
      return words === undefined ? { code: 'SCRIPT_OUTPUT', steps: taken() } : { words, steps: taken() };
    } catch (error) {
      return { code: this.codeOf(error), steps: taken() };
    }
  }

  /** The prelude catches what a script throws; an error beyond it is the engine's own, out of memory or stack. */
  private codeOf(error: unknown): ScriptCode {
    if (error instanceof TrapError) return CODES[error.trap];
    if (error instanceof ScriptException) return 'SCRIPT_CRASHED';
    throw error;
  }

  private opened<T>(open: () => T, shift: number): T {
    try {
      return this.engine.guard(open);
    } catch (error) {
      if (error instanceof TrapError) {
        throw new ScriptProblem(`Before any record: ${LIMIT_TEXTS[CODES[error.trap]] ?? CODES[error.trap]}`, undefined);
      }
      if (!(error instanceof ScriptException)) throw error;
      throw problemOf(error.message, shift);
    }
  }
}

/** A script that exports nothing is a function expression. */
function asModule(code: string): { readonly source: string; readonly shift: number } {
  if (/^[ \t]*export\b/m.test(code)) return { source: code, shift: 0 };
  const head = 'export default ';
  return { source: head + code, shift: head.length };
}

/** From the JSON of an uncaught error. */
function problemOf(json: string, shift: number): ScriptProblem {
  let error: unknown;
  try {
    error = JSON.parse(json);
  } catch {
    error = json;
  }
  if (typeof error !== 'object' || error === null || !('message' in error)) {
    return new ScriptProblem(`The script throws ${json.slice(0, 80)} before any record`, undefined);
  }
  const { name, message, stack } = { name: 'Error', stack: '', ...error };
  return new ScriptProblem(`${String(name)}: ${String(message)}`, placeIn(String(stack), shift));
}

/** The first place of the script in a stack trace. `shift` is what stands before it in its first line. */
export function placeIn(stack: string, shift: number): Place | undefined {
  const found = /script\.js:(\d+):(\d+)/.exec(stack);
  if (found === null) return undefined;
  const line = Number(found[1]);
  return { line, column: Number(found[2]) - (line === 1 ? shift : 0) };
}

export function shiftOf(code: string): number {
  return asModule(code).shift;
}
