/**
 * What the WebAssembly modules of operators share that go through a text 16 bytes at a time: where the text and what is made of it lie in a
 * module's memory, and vectors that they need. A module is made at its first use, one for each thread; its pages cost memory once they are written.
 */
import { MizuError, ModuleAssembler, WASM_PAGE_BYTES, type WasmInstance, wasm } from '#kernel';

export const BLOCK_BYTES = 16;

/** Longest text that a module takes: 4 MiB without a block of the module's own behind it. Longer ones are gone through byte by byte. */
export const VECTORS_LIMIT_BYTES = 4_194_288;
/** The text begins at 0, what is made of it here, and what else a module keeps here. */
export const OUTPUT = VECTORS_LIMIT_BYTES + BLOCK_BYTES;
export const KEPT = 2 * OUTPUT;
const PAGES = KEPT / WASM_PAGE_BYTES + 1;

export function textModule(): ModuleAssembler {
  return new ModuleAssembler({ initial: PAGES, maximum: PAGES });
}

/** Undefined where no module can be made: the machine has no vectors, or the process no address space for its memory. */
export function instantiated(module: ModuleAssembler): WasmInstance | undefined {
  try {
    return module.instantiate();
  } catch (error) {
    if (error instanceof MizuError) throw error;
    return undefined;
  }
}

/** The same byte in all lanes; 0, 1, … 15. */
export function every(byte: number): wasm.Code {
  return wasm.v128.const(Array.from({ length: BLOCK_BYTES }, () => byte));
}
export const LANES = wasm.v128.const(Array.from({ length: BLOCK_BYTES }, (_, lane) => lane));

/** Makes a value at the first call, and gives it again at the others. */
export function lazily<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
