/**
 * QuickJS as WebAssembly, metered, with nothing of the host in it: no clock, file, output or module loader answers its imports. One engine is one
 * memory of fixed size. `freeze` keeps an image of it and `thaw` brings it back, so that each call starts from the same bytes, whatever was
 * called before (law 1). Names of exports are those of the pinned build, which is refused if its bytes are others.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { MizuError, sha256 } from '#kernel';
import { DEPTH_LEFT, meterWasm, OWN_GLOBAL, STEPS_LEFT } from './meter-wasm.ts';

/** SHA-256 of the WebAssembly file of @jitl/quickjs-wasmfile-release-sync 0.32.0: another build may decide records otherwise. */
const BUILD = '105c3bed22d457e43e3d1c3c1c6959fda62a8fe06f0fc8a985303c3a2be72232';

const PAGE_BYTES = 65_536;
/** Of the build: the engine's stack lies below its first global, and what is below the stack are its static data. */
const STACK_BYTES = 5 * 1024 * 1024;
/** Above it QuickJS itself throws `stack overflow`: a script with enormous frames. */
const FRAMES_BYTES = 1024 * 1024;
const MODULE_FLAG = 1;
/** What the build asks for. More is added while a script is opened, if it is needed, so that the end of what is used is soon found. */
const FIRST_PAGES = 256;
const ZERO_PAGE = new Uint8Array(PAGE_BYTES);

/** What ended a call. `left` tells of a counter below zero. */
export type Trap = 'steps' | 'depth' | 'memory' | 'engine';

/** A call that did not come back. The engine must be thawed. */
export class TrapError extends Error {
  override readonly name = 'TrapError';
  readonly trap: Trap;

  constructor(trap: Trap, options: { readonly cause: unknown }) {
    super(`trap: ${trap}`, options);
    this.trap = trap;
  }
}

/** A value of QuickJS by its address; alive until the engine is thawed. */
type Handle = number & { readonly handle: unique symbol };

interface Exports {
  readonly call: Readonly<Record<ExportName, (...args: readonly number[]) => number>>;
  readonly steps: WebAssembly.Global;
  readonly depth: WebAssembly.Global;
  readonly own: readonly WebAssembly.Global[];
}

/** Names of exported functions in the build. */
const EXPORTS = {
  start: 'u',
  malloc: 'v',
  setStack: 'D',
  undefinedValue: 'E',
  newRuntime: 'K',
  newContext: 'N',
  newString: '_',
  getString: '$',
  getProp: 'ha',
  call: 'ma',
  exception: 'na',
  dump: 'oa',
  evaluate: 'pa',
  typeOf: 'ra',
} as const;
type ExportName = keyof typeof EXPORTS;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const require = createRequire(import.meta.url);
let compiled: WebAssembly.Module | undefined;

/** Metered and compiled once per thread; about 60 ms. */
function compiledEngine(): WebAssembly.Module {
  if (compiled !== undefined) return compiled;
  const bytes = readFileSync(require.resolve('@jitl/quickjs-wasmfile-release-sync/wasm'));
  const digest = Buffer.from(sha256(bytes)).toString('hex');
  if (digest !== BUILD) {
    throw new MizuError('INTERNAL', `The script engine has the digest ${digest}, expected ${BUILD}`, {
      hint: 'install the packages again with `npm ci`; another build may decide records otherwise',
    });
  }
  compiled = new WebAssembly.Module(meterWasm(bytes));
  return compiled;
}

export class QuickJs {
  private readonly memory: WebAssembly.Memory;
  /** Over the whole memory: made anew whenever it grows. */
  private bytes: Uint8Array;
  private view: DataView;
  private readonly pages: number;
  private readonly exports: Exports;
  private readonly context: number;
  private outOfMemory = false;
  private image:
    | { readonly low: Uint8Array; readonly high: Uint8Array; readonly stack: number; readonly globals: readonly number[] }
    | undefined;

  /** @param memoryBytes of the engine as a whole, whole pages of 64 KiB. */
  constructor(memoryBytes: number) {
    this.pages = memoryBytes / PAGE_BYTES;
    this.memory = new WebAssembly.Memory({ initial: FIRST_PAGES, maximum: this.pages });
    this.bytes = new Uint8Array(this.memory.buffer);
    this.view = new DataView(this.memory.buffer);
    const instance = new WebAssembly.Instance(compiledEngine(), { a: this.imports() });
    this.exports = readExports(instance.exports);
    const { call } = this.exports;
    call.start();
    const runtime = call.newRuntime();
    call.setStack(runtime, FRAMES_BYTES);
    this.context = call.newContext(runtime, 0);
  }

  /** Sets what the next calls may spend. */
  allow(steps: number, depth: number): void {
    this.exports.steps.value = steps;
    this.exports.depth.value = depth;
  }

  /** Steps that are left; below zero where they ran out. */
  get stepsLeft(): number {
    return Number(this.exports.steps.value);
  }

  /** From now on `thaw` brings this state back, and all memory is there at once. */
  freeze(): void {
    const [first] = this.exports.own;
    const stack = Number(first?.value);
    let top = this.bytes.length;
    while (Buffer.compare(this.bytes.subarray(top - PAGE_BYTES, top), ZERO_PAGE) === 0) top -= PAGE_BYTES;
    this.image = {
      low: this.bytes.slice(0, stack - STACK_BYTES),
      high: this.bytes.slice(stack, top),
      stack,
      globals: this.exports.own.map(({ value }) => Number(value)),
    };
    this.grow(this.pages * PAGE_BYTES);
  }

  thaw(): void {
    const { image } = this;
    if (image === undefined) throw new MizuError('INTERNAL', 'A script engine is thawed that was never frozen');
    this.bytes.set(image.low, 0);
    this.bytes.set(image.high, image.stack);
    for (const [n, global] of this.exports.own.entries()) global.value = image.globals[n];
    this.outOfMemory = false;
  }

  /** Runs calls of the engine. @throws TrapError */
  guard<T>(calls: () => T): T {
    try {
      return calls();
    } catch (error) {
      if (this.outOfMemory) throw new TrapError('memory', { cause: error });
      if (!(error instanceof WebAssembly.RuntimeError)) throw unexpected(error);
      if (this.stepsLeft < 0) throw new TrapError('steps', { cause: error });
      throw new TrapError(Number(this.exports.depth.value) < 0 ? 'depth' : 'engine', { cause: error });
    }
  }

  /** @throws ScriptException for an uncaught error. */
  evaluate(code: string, name: string, kind: 'script' | 'module'): Handle {
    const { call } = this.exports;
    const [at, length] = this.write(code);
    const [file] = this.write(name);
    return this.checked(call.evaluate(this.context, at, length, file, 0, kind === 'module' ? MODULE_FLAG : 0));
  }

  call(target: Handle, args: readonly Handle[]): Handle {
    const { call } = this.exports;
    const list = call.malloc(4 * Math.max(1, args.length));
    for (const [n, arg] of args.entries()) this.view.setUint32(list + 4 * n, arg, true);
    return this.checked(call.call(this.context, target, call.undefinedValue(), args.length, list));
  }

  string(text: string): Handle {
    return this.handle(this.exports.call.newString(this.context, this.write(text)[0]));
  }

  property(target: Handle, name: string): Handle {
    return this.checked(this.exports.call.getProp(this.context, target, this.string(name)));
  }

  typeOf(value: Handle): string {
    return this.read(this.exports.call.typeOf(this.context, value), 16) ?? '';
  }

  /** The text of a string; undefined if it has more than so many bytes of UTF-8. */
  text(value: Handle, limit: number): string | undefined {
    return this.read(this.exports.call.getString(this.context, value), limit);
  }

  private grow(bytes: number): void {
    this.memory.grow(Math.ceil(bytes / PAGE_BYTES) - this.memory.buffer.byteLength / PAGE_BYTES);
    this.bytes = new Uint8Array(this.memory.buffer);
    this.view = new DataView(this.memory.buffer);
  }

  private checked(value: number): Handle {
    const { call } = this.exports;
    const exception = call.exception(this.context, value);
    if (exception === 0) return this.handle(value);
    throw new ScriptException(this.read(call.dump(this.context, exception), 65_536) ?? '');
  }

  /** An address inside the memory. */
  private handle(address: number): Handle {
    return address as Handle;
  }

  private write(text: string): readonly [at: number, length: number] {
    const bytes = encoder.encode(text);
    const at = this.exports.call.malloc(bytes.length + 1);
    this.bytes.set(bytes, at);
    this.bytes[at + bytes.length] = 0;
    return [at, bytes.length];
  }

  private read(at: number, limit: number): string | undefined {
    const end = this.bytes.indexOf(0, at);
    return end - at > limit ? undefined : decoder.decode(this.bytes.subarray(at, end));
  }

  /** Names of imported functions in the build: only those answer that a run without a system needs. */
  private imports(): WebAssembly.ModuleImports {
    const refuse = (): never => {
      throw new WebAssembly.RuntimeError('a system call of the script engine');
    };
    const imports: WebAssembly.ModuleImports = Object.fromEntries([...'bcdefghijklmnopqrst'].map((name) => [name, refuse]));
    return {
      ...imports,
      a: this.memory,
      /** environ_get, environ_sizes_get: there are no variables. */
      e: () => 0,
      f: (count: number, size: number) => {
        this.view.setUint32(count, 0, true);
        this.view.setUint32(size, 0, true);
        return 0;
      },
      /** resize_heap: to so many bytes. */
      k: (bytes: number) => {
        this.outOfMemory = bytes >>> 0 > this.pages * PAGE_BYTES;
        if (this.outOfMemory) throw new WebAssembly.RuntimeError('the memory of a script is used up');
        this.grow(bytes >>> 0);
        return 1;
      },
      /** date_now, which only seeds a generator that nobody can reach. */
      p: () => 0,
    };
  }
}

/** An uncaught error of code in the engine, as JSON with `name`, `message` and `stack`, or another value as text. */
export class ScriptException extends Error {
  override readonly name = 'ScriptException';
}

/** The thread's own stack ran out before the depth did: says nothing of the record, so it ends the attempt. */
function unexpected(error: unknown): unknown {
  if (!(error instanceof RangeError)) return error;
  return new MizuError('INTERNAL', 'The stack of this thread is too small for scripts', {
    cause: error,
    hint: 'start Node without --stack-size',
  });
}

function readExports(exports: WebAssembly.Exports): Exports {
  const call = Object.fromEntries(Object.entries(EXPORTS).map(([name, short]) => [name, exports[short]]));
  const own: WebAssembly.Global[] = [];
  for (let n = 0; ; n++) {
    const global = exports[`${OWN_GLOBAL}${n}`];
    if (!(global instanceof WebAssembly.Global)) break;
    own.push(global);
  }
  const steps = exports[STEPS_LEFT];
  const depth = exports[DEPTH_LEFT];
  const complete = Object.values(call).every((value) => typeof value === 'function');
  if (!complete || !(steps instanceof WebAssembly.Global) || !(depth instanceof WebAssembly.Global)) {
    throw new MizuError('INTERNAL', 'The script engine does not export what its pinned build does');
  }
  return { call: call as Exports['call'], steps, depth, own };
}
