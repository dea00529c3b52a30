/**
 * Makes small WebAssembly modules (WebAssembly Core Specification 2.0, chapter 5) at run time, so that code over bytes may use vectors of 128 bits
 * while the repository holds nothing but its source: one memory, exported as `memory`, and exported functions over it. Assembling and
 * compiling are synchronous, about a millisecond for each KiB while that code is cold: whoever uses a module makes it once per thread, at its first use.
 */
import { MizuError } from '../contract/errors.ts';
import { type Code, codeBytes, u32Leb } from './code.ts';

const TYPES = { i32: 0x7f, v128: 0x7b } as const;
export type ValueType = keyof typeof TYPES;

const MAGIC_AND_VERSION = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const SECTION = { type: 1, function: 3, memory: 5, export: 7, code: 10 } as const;
const EXTERNAL = { function: 0, memory: 2 } as const;
const FUNCTION_TYPE = 0x60;
const HAS_MAXIMUM = 1;
const END = 0x0b;

/** Of a page of memory (4.2.8). */
export const WASM_PAGE_BYTES = 65_536;

/** A parameter or variable of a function; a variable begins as 0. */
export interface Local {
  readonly get: Code;
  set(value: Code): Code;
  /** As `set`, and leaves the value on the stack. */
  tee(value: Code): Code;
}

/** One function: first its parameters, then its variables, then its code, which leaves the results on the stack. */
export class FunctionAssembler {
  readonly name: string;
  private readonly index: number;
  private readonly results: readonly ValueType[];
  private readonly params: ValueType[] = [];
  private readonly locals: ValueType[] = [];
  private code: readonly Code[] = [];

  constructor(name: string, index: number, results: readonly ValueType[]) {
    this.name = name;
    this.index = index;
    this.results = results;
  }

  /** @throws INTERNAL after the first variable: parameters are numbered before them. */
  param(type: ValueType): Local {
    if (this.locals.length > 0) throw new MizuError('INTERNAL', `Function ${this.name}: a parameter after a variable`);
    this.params.push(type);
    return local(this.params.length - 1);
  }

  local(type: ValueType): Local {
    this.locals.push(type);
    return local(this.params.length + this.locals.length - 1);
  }

  body(...code: Code[]): void {
    this.code = code;
  }

  /** Calls it from a function of the same module. */
  call(...args: Code[]): Code {
    return [args, 0x10, u32Leb(this.index)];
  }

  typeBytes(): number[] {
    return [FUNCTION_TYPE, ...vector(this.params.map(typeByte)), ...vector(this.results.map(typeByte))];
  }

  codeBytes(): number[] {
    const locals = vector(this.locals.map((type) => [1, ...typeByte(type)]));
    return sized([...locals, ...codeBytes(this.code), END]);
  }
}

function local(index: number): Local {
  const place = u32Leb(index);
  return { get: [0x20, place], set: (value) => [value, 0x21, place], tee: (value) => [value, 0x22, place] };
}

/** A module of one memory, in pages of 64 KiB, and functions. */
export class ModuleAssembler {
  private readonly initialPages: number;
  private readonly maximumPages: number;
  private readonly functions: FunctionAssembler[] = [];

  constructor(pages: { readonly initial: number; readonly maximum: number }) {
    this.initialPages = pages.initial;
    this.maximumPages = pages.maximum;
  }

  /** A function that is exported under its name. */
  function(name: string, ...results: ValueType[]): FunctionAssembler {
    const made = new FunctionAssembler(name, this.functions.length, results);
    this.functions.push(made);
    return made;
  }

  /** The module in the binary format (5.5). Each function has a type of its own. */
  assemble(): Uint8Array<ArrayBuffer> {
    const { functions } = this;
    const exported = functions.map(({ name }, index) => [...nameBytes(name), EXTERNAL.function, ...u32Leb(index)]);
    exported.push([...nameBytes('memory'), EXTERNAL.memory, 0]);
    return Uint8Array.from([
      ...MAGIC_AND_VERSION,
      ...section(
        SECTION.type,
        functions.map((one) => one.typeBytes()),
      ),
      ...section(
        SECTION.function,
        functions.map((_, index) => u32Leb(index)),
      ),
      ...section(SECTION.memory, [[HAS_MAXIMUM, ...u32Leb(this.initialPages), ...u32Leb(this.maximumPages)]]),
      ...section(SECTION.export, exported),
      ...section(
        SECTION.code,
        functions.map((one) => one.codeBytes()),
      ),
    ]);
  }

  /** Compiles the module and makes one instance of it. @throws WebAssembly.CompileError where its code is wrong, or the machine has no vectors. */
  instantiate(): WasmInstance {
    return new WasmInstance(new WebAssembly.Instance(new WebAssembly.Module(this.assemble()), {}));
  }
}

/** Memory and functions of an instance. */
export class WasmInstance {
  readonly memory: WebAssembly.Memory;
  private readonly exports: WebAssembly.Exports;

  constructor(instance: WebAssembly.Instance) {
    const { memory } = instance.exports;
    if (!(memory instanceof WebAssembly.Memory)) throw new MizuError('INTERNAL', 'A WebAssembly module exports no memory');
    this.memory = memory;
    this.exports = instance.exports;
  }

  /** Numbers in, at most one number out (0 for none). @throws INTERNAL for a function that the module does not have. */
  function(name: string): (...args: number[]) => number {
    const found = this.exports[name];
    if (typeof found !== 'function') throw new MizuError('INTERNAL', `A WebAssembly module has no function ${name}`);
    return found as (...args: number[]) => number;
  }
}

function typeByte(type: ValueType): number[] {
  return [TYPES[type]];
}

function nameBytes(name: string): number[] {
  return sized([...Buffer.from(name, 'utf8')]);
}

/** A vector: how many, then each (5.1.3). */
function vector(items: readonly (readonly number[])[]): number[] {
  return [...u32Leb(items.length), ...items.flat()];
}

function sized(bytes: readonly number[]): number[] {
  return [...u32Leb(bytes.length), ...bytes];
}

function section(id: number, items: readonly (readonly number[])[]): number[] {
  return [id, ...sized(vector(items))];
}
