/** The door of the engine: everything that operators, connectors, topologies and commands may use. */
export * from './contract/errors.ts';
export * from './contract/ids.ts';
export * from './contract/types.ts';
export * from './contract/program.ts';
export * from './contract/operator.ts';
export * from './contract/data-engine.ts';
export * from './contract/inference.ts';
export * from './contract/log.ts';
export * from './contract/storage.ts';
export * from './contract/signer.ts';
export * from './proof/sha256.ts';
export * from './proof/bytes.ts';
export * from './proof/jcs.ts';
export * from './proof/json-parser.ts';
export * from './proof/merkle.ts';
export * from './proof/compact-range.ts';
export * from './proof/value-codec.ts';
