/** The text of a file that an author wrote: strict UTF-8, and where it is not (law 10). */
import type { Problem } from '../contract/errors.ts';
import { MizuError } from '../contract/errors.ts';

export interface BytePlace {
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 units. */
  readonly column: number;
}

const LINE_END = 0x0a;

/** Where the first byte stands that is not UTF-8; undefined when all are. */
export function firstBadByte(bytes: Uint8Array): BytePlace | undefined {
  let line = 1;
  for (let start = 0; start <= bytes.length; line++) {
    const end = bytes.indexOf(LINE_END, start);
    const whole = bytes.subarray(start, end < 0 ? bytes.length : end);
    if (!isUtf8(whole)) return { line, column: goodUnits(whole) + 1 };
    start += whole.length + 1;
  }
  return undefined;
}

/** UTF-16 units before the first bad byte: the longest beginning that is good. */
function goodUnits(line: Uint8Array): number {
  let [good, bad] = [0, line.length];
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    // A beginning that ends inside a character is good so far.
    if (isUtf8(line.subarray(0, middle), true)) good = middle;
    else bad = middle;
  }
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(line.subarray(0, good), { stream: true }).length;
}

function isUtf8(bytes: Uint8Array, stream = false): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream });
    return true;
  } catch {
    return false;
  }
}

/** Strict UTF-8 without its byte order mark, or what is wrong with the bytes. @param file as problems name it. */
export function decodeText(bytes: Uint8Array, file: string): string | Problem {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return {
      path: '',
      file,
      ...firstBadByte(bytes),
      message: 'The text is not UTF-8',
      expected: 'text saved as UTF-8',
      hint: `convert it, for example with \`iconv -f ${isUtf16(bytes) ? 'utf-16' : 'latin1'} -t utf-8\``,
    };
  }
}

/** Such a file begins with a byte order mark; some editors and shells write no other. */
function isUtf16(bytes: Uint8Array): boolean {
  return (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
}

/** @param file as problems name it. @throws WORKFLOW_INVALID with the place of the first byte that is not UTF-8. */
export function workflowText(bytes: Uint8Array, file: string): string {
  const text = decodeText(bytes, file);
  if (typeof text === 'string') return text;
  throw new MizuError('WORKFLOW_INVALID', `${file} is not UTF-8 text`, { component: file, problems: [text] });
}
