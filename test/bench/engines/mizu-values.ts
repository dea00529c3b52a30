/** Reads what Mizu publishes: records as Avro in the Confluent wire format, and dropped records. */
import { ByteReader, readConfluentFrame, recordCodec } from '#engine';
import type { Schema } from '#engine';
import { decodeDrop } from '../../../engine/proof/effect.ts';
import type { W1Output } from '../w1/reference.ts';

const PUBLISHED: Schema = [
  { name: 'id', type: 'long' },
  { name: 'text', type: 'string' },
  { name: 'score', type: 'double' },
  { name: 'category', type: 'string' },
  { name: 'email', type: { optional: 'string' } },
  { name: 'label', type: 'string' },
];

export function avroValues(): (value: Uint8Array) => W1Output {
  const codec = recordCodec(PUBLISHED);
  return (value) => asOutput(codec.decode(new ByteReader(readConfluentFrame(value).body)));
}

function asOutput(value: unknown): W1Output {
  return value as W1Output;
}

/** Whether a dropped record is one that could not be parsed. */
export function dropValues(): (value: Uint8Array) => boolean {
  return (value) => decodeDrop(value).code === 'MALFORMED_JSON';
}
