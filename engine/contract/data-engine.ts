/**
 * A data engine generates: an in-process simulator here, external models behind the inference contract.
 * An instance must give the same output bytes for the same input and seed on every platform (law 1).
 */
import type { z } from 'zod';
import type { Row, Schema } from './types.ts';
import type { Json } from './program.ts';

export interface DataEngine<Params = unknown> {
  readonly name: string;
  readonly version: number;
  readonly summary: string;
  readonly description: string;
  /** Settings that are the same for every record. */
  readonly params: z.ZodType<Params>;
  /** Fields that a record must bring; the `with` map of a `simulate` step names where they come from. */
  readonly input: Schema;
  readonly output: Schema;
  /** One run that tells whether this machine computes what every other does. */
  readonly check: EngineCheck;
  open(params: Params): Promise<EngineInstance>;
}

/** A run with its exact output, made once for this version of the engine; chosen so that a drift of any part shows, as by a digest of the final state. */
export interface EngineCheck {
  readonly params: Json;
  readonly input: Row;
  /** 32 bytes, hexadecimal. */
  readonly seed: string;
  readonly output: Row;
}

export function defineEngine<Params>(engine: DataEngine<Params>): DataEngine {
  return engine as DataEngine;
}

export interface EngineInstance {
  /**
   * Runs once. `seed`: 32 bytes drawn for the candidate.
   * @throws RecordFault when the input makes no sense (the record fails); anything else ends the attempt.
   */
  run(input: Row, seed: Uint8Array): { readonly output: Row; readonly gas: number };
}

/** Says that a record, not the engine, is at fault. */
export class RecordFault extends Error {
  override readonly name = 'RecordFault';
  /** UPPER_SNAKE. */
  readonly code: string;
  readonly detail: Json;

  constructor(code: string, message: string, detail: Json = null) {
    super(message);
    this.code = code;
    this.detail = detail;
  }
}
