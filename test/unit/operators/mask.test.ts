import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findPersonalData, ipv6Groups, MASK_KINDS } from '../../../operators/correct/mask-grammar.ts';
import { runTexts } from './run-rows.ts';

const mask = async (text: string): Promise<string | undefined> => (await runTexts('mask', {}, [text]))[0];

describe('mask', () => {
  it.each([
    ['a@b.co', '<EMAIL>'],
    ['<a@b.co>', '<<EMAIL>>'],
    ['.a@b.co', '.<EMAIL>'],
    ['a@b', 'a@b'],
    ['a@b.c', 'a@b.c'],
    ['a@b.com.1', '<EMAIL>.1'],
    ['a@-b.com', 'a@-b.com'],
    ['a@b..com', 'a@b..com'],
    ['a@b.com-', 'a@b.com-'],
    ['x@y@b.org', 'x@<EMAIL>'],
    ['a@b.com@c.com', '<EMAIL>@c.com'],
    ['mailto:A_B%c+d@mail.example.museum.', 'mailto:<EMAIL>.'],
    ['8.8.8.8', '<IP>'],
    ['8.8.8.8:53', '<IP>:53'],
    ['8.8.8.8.', '<IP>.'],
    ['v8.8.8.8', 'v8.8.8.8'],
    ['8.8.8.8.8', '8.8.8.8.8'],
    [
      '100.64.0.1 100.63.0.1 172.32.0.1 192.0.2.1 198.51.100.7 203.0.113.9 224.0.0.1',
      '100.64.0.1 <IP> <IP> 192.0.2.1 198.51.100.7 203.0.113.9 224.0.0.1',
    ],
    ['[2a00:1450:4001:81b::200e]', '[<IP>]'],
    ['2a00::1:', '<IP>:'],
    ['2a00::ffff:8.8.8.8', '<IP>'],
    ['fe80::1 ::1 fd00::1 ff02::1', 'fe80::1 ::1 fd00::1 ff02::1'],
    ['std::vector a::b 12:30:45 2024:01:02', 'std::vector a::b 12:30:45 2024:01:02'],
    ['+1 555 123 4567', '<PHONE>'],
    ['+442079460958', '<PHONE>'],
    ['+44 (0) 20 7946 0958', '<PHONE>'],
    ['1-555-123-4567', '<PHONE>'],
    ['555.123.4567', '<PHONE>'],
    ['(555)123-4567', '<PHONE>'],
    ['555-123.4567', '555-123.4567'],
    ['5551234567', '5551234567'],
    ['555-123-45678', '555-123-45678'],
    ['9-555-123-4567', '9-555-123-4567'],
    ['+1234567', '+1234567'],
    ['+1234567890123456', '+1234567890123456'],
    ['1 + 2 = 3', '1 + 2 = 3'],
    ['é8.8.8.8é', 'é8.8.8.8é'],
  ])('%s becomes %s', async (text, expected) => {
    expect(await mask(text)).toBe(expected);
  });

  const piece = fc.constantFrom(
    'a',
    'b.c',
    '@',
    '.',
    '-',
    '+',
    '1',
    '555',
    '8.8.8.8',
    ':',
    '::',
    '2a00',
    ' ',
    '(',
    ')',
    '😀',
    'com',
    'é',
    '\n',
    '_',
    '10.0.0.1',
  );
  const texts = fc.array(
    fc.array(piece, { maxLength: 15 }).map((parts) => parts.join('')),
    { minLength: 1, maxLength: 10 },
  );

  it('e-mails agree with a regular expression of the same grammar', () => {
    const label = '[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?';
    const oracle = new RegExp(`(?:[A-Za-z0-9_%+-][A-Za-z0-9._%+-]*)@(?:${label}\\.)+[A-Za-z]{2,}(?![A-Za-z0-9-])`, 'g');
    fc.assert(
      fc.property(texts, (values) => {
        for (const value of values) {
          const bytes = Buffer.from(value);
          const found = findPersonalData(bytes, ['email']).map((span) => bytes.subarray(span.start, span.end).toString());
          expect(found, JSON.stringify(value)).toEqual([...value.matchAll(oracle)].map(([match]) => match));
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('a masked text stays as it is when masked again', async () => {
    await fc.assert(
      fc.asyncProperty(texts, async (values) => {
        const once = await runTexts('mask', {}, values);
        expect(await runTexts('mask', {}, once)).toEqual(once);
      }),
      { numRuns: 100 },
    );
  });

  it('matches lie in order and apart', () => {
    fc.assert(
      fc.property(texts, (values) => {
        for (const value of values) {
          let last = 0;
          for (const span of findPersonalData(Buffer.from(value), MASK_KINDS)) {
            expect(span.start).toBeGreaterThanOrEqual(last);
            expect(span.end).toBeGreaterThan(span.start);
            last = span.end;
          }
        }
      }),
    );
  });

  it('IPv6 text forms are those that the runtime accepts', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.ipV6(),
          fc.array(fc.constantFrom('0', 'f', 'abcd', ':', '::', '1.2.3.4', '.'), { maxLength: 12 }).map((parts) => parts.join('')),
        ),
        (address) => {
          const leadingZeros = /(?:^|[:.])0\d/.test(address) && address.includes('.');
          if (!leadingZeros) expect(ipv6Groups(address) !== undefined, address).toBe(isIPv6(address));
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('costs a time that grows with the text, not with its square', () => {
    const hostile = ['@', 'a@', '1.', ':', '2a00:', '+1 ', '1-', 'a.', '(555) ', '8.8.8.8@'];
    for (const part of hostile) {
      const work = (size: number): number => {
        let touched = 0;
        const bytes = Buffer.from(part.repeat(size));
        const counting = new Proxy(bytes, {
          get(target, name) {
            if (typeof name === 'string' && /^\d+$/.test(name)) touched++;
            const value: unknown = Reflect.get(target, name, target);
            return typeof value === 'function' ? (name === 'subarray' ? () => counting : value.bind(target)) : value;
          },
        });
        findPersonalData(counting, MASK_KINDS);
        return touched;
      };
      expect(work(400), part).toBeLessThan(2.2 * work(200) + 500);
    }
  });
});
