/** Figures and tables as people read them. */

/** 12,345 */
export function grouped(n: number): string {
  const [whole = '', fraction] = String(n).split('.');
  return whole.replaceAll(/\B(?=(\d{3})+$)/g, ',') + (fraction === undefined ? '' : `.${fraction}`);
}

/** Sequences that colour what follows. */
const COLOUR = /(\p{Cc}\[[0-9;]*m)/u;
const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** 12.3 MB, powers of 1,000. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < BYTE_UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 2 : 1)} ${BYTE_UNITS[unit] ?? 'B'}`;
}

/** 0.42 s, 12.3 s, 3 min 05 s */
export function secondsText(seconds: number): string {
  if (seconds < 120) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  return `${Math.floor(seconds / 60)} min ${String(Math.floor(seconds % 60)).padStart(2, '0')} s`;
}

export function percent(part: number, whole: number): string {
  return whole === 0 ? '–' : `${((100 * part) / whole).toFixed(1)} %`;
}

/** Columns of equal width; `right` names those that hold figures. Lines have no trailing space. */
export function columns(rows: readonly (readonly string[])[], right: readonly number[] = [], indent = ''): string {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, n) => Math.max(...rows.map((row) => row[n]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row.map((cell, n) => (right.includes(n) ? cell.padStart(widths[n] ?? 0) : cell.padEnd(widths[n] ?? 0))).join('  ');
  return rows.map((row) => `${indent}${line(row)}`.trimEnd()).join('\n');
}

export function shortened(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit - 1)}…`;
}

/** A line cut to the width of a terminal; what only colours it takes no place. */
export function clipped(line: string, width: number): string {
  let shown = '';
  let room = width;
  for (const part of line.split(COLOUR)) {
    if (part.startsWith('\u001b')) shown += part;
    else {
      shown += part.length <= room ? part : part.slice(0, room);
      room = Math.max(0, room - part.length);
    }
  }
  return shown;
}

/** Control characters as JSON escapes, so that a text of a record neither breaks a line nor commands the terminal. */
export function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, (character) => {
    const escaped = JSON.stringify(character).slice(1, -1);
    return escaped === character ? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}` : escaped;
  });
}
