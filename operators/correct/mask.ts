/**
 * Masks personal data: e-mail addresses, public IP addresses, phone numbers. One walk over the UTF-8 bytes with a table of the
 * bytes that can start a match, so a text without any costs a look at each byte; every match is found in linear time.
 * The exact grammars stand in mask-grammar.ts.
 */
import type { PlanContext } from '#kernel';
import { defineOperator } from '#kernel';
import { z } from 'zod';
import { existingField, openParams, planTextColumn, stepWords, toJson } from '../fields.ts';
import type { MaskKind, Span } from './mask-grammar.ts';
import { findPersonalData, MASK_KINDS } from './mask-grammar.ts';

/** Longest replacement, UTF-16 units. */
export const MASK_LIMIT = 100;

const replacement = (what: string, standard: string) =>
  z
    .union([z.string().max(MASK_LIMIT), z.literal(false)])
    .default(standard)
    .describe(`What replaces ${what}; false leaves them.`);

const params = z
  .strictObject({
    field: existingField('Top-level text field to mask in place.'),
    email: replacement('e-mail addresses', '<EMAIL>'),
    ip: replacement('public IPv4 and IPv6 addresses (private, loopback, documentation and other special ranges stay)', '<IP>'),
    phone: replacement('phone numbers (international with +, and North American)', '<PHONE>'),
  })
  .refine((p) => p.email !== false || p.ip !== false || p.phone !== false, { error: 'all three are false: the step would do nothing' });

export const mask = defineOperator({
  name: 'mask',
  version: 1,
  group: 'correct',
  kind: 'row',
  summary: 'Mask e-mail addresses, public IP addresses and phone numbers.',
  description:
    'E-mail: letters, digits and ._%+- before the @; after it at least two labels of letters, digits and -, the last one two or more letters. ' +
    'IPv4: four decimal numbers up to 255, not part of a longer dotted number; IPv6: RFC 4291 text forms in 2000::/3. Only public addresses are masked. ' +
    'Phone: + and 8 to 15 digits with single spaces, dots, hyphens or parentheses between; or ten digits as (ddd) ddd-dddd, ddd-ddd-dddd, ddd.ddd.dddd, ddd ddd dddd. ' +
    'It finds forms, not people: a number that only looks like one is masked too, and a form outside these grammars is not.',
  params,
  examples: [
    {
      title: 'e-mail addresses',
      params: { field: 'body' },
      input: [{ body: 'Mail ada.l+x@example.co.uk, or not@home. é@x 😀bob@b-c.org.' }, { body: '' }, { body: '@@' }],
      output: [{ row: { body: 'Mail <EMAIL>, or not@home. é@x 😀<EMAIL>.' } }, { row: { body: '' } }, { row: { body: '@@' } }],
    },
    {
      title: 'public addresses only',
      params: { field: 'body' },
      input: [
        { body: '8.8.8.8 and 10.0.0.1, 127.0.0.1, 192.168.1.1, 172.16.0.1, 1.2.3.4.5, 300.1.1.1' },
        { body: '2606:4700:4700::1111 but ::1, fe80::1, 2001:db8::1 at 12:30:45' },
      ],
      output: [
        { row: { body: '<IP> and 10.0.0.1, 127.0.0.1, 192.168.1.1, 172.16.0.1, 1.2.3.4.5, 300.1.1.1' } },
        { row: { body: '<IP> but ::1, fe80::1, 2001:db8::1 at 12:30:45' } },
      ],
    },
    {
      title: 'phone numbers',
      params: { field: 'body' },
      input: [{ body: 'Call +49 (0)30 1234567 or (555) 123-4567; order 12345678901 from 2024-05-06.' }],
      output: [{ row: { body: 'Call <PHONE> or <PHONE>; order 12345678901 from 2024-05-06.' } }],
    },
    {
      title: 'own replacements, phones left',
      params: { field: 'body', email: '[mail]', phone: false },
      input: [{ body: 'a@b.de 555-123-4567' }],
      output: [{ row: { body: '[mail] 555-123-4567' } }],
    },
  ],
  gas: { perRecord: 1, per64Bytes: 2 },
  defaultId: (p) => stepWords('mask', p.field),
  plan(p, context) {
    const fits = planTextColumn(context, p.field);
    const plain = MASK_KINDS.map((kind) => plainReplacement(p, kind, context));
    if (!fits || plain.includes(false)) return [];
    return [{ params: toJson(p), reads: [p.field], writes: [{ name: p.field, type: 'string' }] }];
  },
  open(op) {
    const p = openParams(params, op.params, 'mask');
    const kinds = MASK_KINDS.filter((kind) => p[kind] !== false);
    const replacements = { email: bytesOf(p.email), ip: bytesOf(p.ip), phone: bytesOf(p.phone) };
    return {
      execute(input, out) {
        for (const row of input.rows) {
          const text = input.slice(p.field, row);
          const spans = findPersonalData(text, kinds);
          if (spans.length > 0) out.setBytes(p.field, row, replaceSpans(text, spans, replacements));
        }
      },
    };
  },
});

/** A replacement that is found again would not be stable under a second masking. */
function plainReplacement(p: z.infer<typeof params>, kind: MaskKind, context: PlanContext): boolean {
  if (findPersonalData(bytesOf(p[kind]), MASK_KINDS).length === 0) return true;
  context.problem(kind, `The replacement '${p[kind]}' is itself what the step masks`, { expected: 'a text such as <EMAIL>' });
  return false;
}

function bytesOf(text: string | false): Uint8Array {
  return Buffer.from(text === false ? '' : text, 'utf8');
}

function replaceSpans(text: Uint8Array, spans: readonly Span[], replacements: Readonly<Record<MaskKind, Uint8Array>>): Uint8Array {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const span of spans) {
    parts.push(text.subarray(at, span.start), replacements[span.kind]);
    at = span.end;
  }
  parts.push(text.subarray(at));
  return Buffer.concat(parts);
}
