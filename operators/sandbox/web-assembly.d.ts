/** What the sandbox uses of the WebAssembly JavaScript Interface (W3C), which the types of Node leave to those of browsers. */
declare namespace WebAssembly {
  type ImportValue = Memory | ((...args: number[]) => number);
  type ModuleImports = Record<string, ImportValue>;
  type Exports = Readonly<Record<string, unknown>>;

  class Module {
    constructor(bytes: Uint8Array<ArrayBuffer>);
  }
  class Instance {
    constructor(module: Module, imports: Readonly<Record<string, ModuleImports>>);
    readonly exports: Exports;
  }
  class Memory {
    constructor(size: { readonly initial: number; readonly maximum: number });
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }
  class Global {
    value: unknown;
  }
  class RuntimeError extends Error {}
}
