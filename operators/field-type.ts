/** Field types as an author writes them: the canonical form of the contract, and `string?` for `{ optional: string }`. */
import type { FieldType } from '#kernel';
import { z } from 'zod';
import { FIELD_NAME } from './fields.ts';

const scalar = z.enum(['string', 'long', 'double', 'boolean', 'bytes']);

const optionalScalar = z
  .enum(['string?', 'long?', 'double?', 'boolean?', 'bytes?'])
  .transform((word): FieldType => ({ optional: scalar.parse(word.slice(0, -1)) }));

export const fieldTypeSchema: z.ZodType<FieldType> = z.lazy(() =>
  z.union(
    [
      scalar,
      optionalScalar,
      z.strictObject({ array: fieldTypeSchema }),
      z.strictObject({ map: fieldTypeSchema }),
      z.strictObject({ record: z.array(z.strictObject({ name: z.string().regex(FIELD_NAME), type: fieldTypeSchema })) }),
      z.strictObject({ optional: fieldTypeSchema }),
    ],
    {
      error:
        'a type: string, long, double, boolean, bytes (with ? where it may be null), { array: … }, { map: … } or { record: [{ name, type }] }',
    },
  ),
);
