/** One CSV record as RFC 4180 writes it, strictly: quotes only around whole fields, doubled inside. Errors say the character. */

export type CsvResult = { readonly cells: readonly string[] } | { readonly error: string };

/** @param line one record without its line end; quoted fields may hold line ends. */
export function parseCsvRecord(line: string, delimiter: string): CsvResult {
  const cells: string[] = [];
  let at = 0;
  for (;;) {
    if (line[at] === '"') {
      const cell = quotedCell(line, at);
      if (cell === undefined) return { error: `the quote at character ${at + 1} is never closed` };
      cells.push(cell.text);
      at = cell.end;
      if (at < line.length && line[at] !== delimiter)
        return { error: `'${line.slice(at, at + 10)}' follows the closing quote at character ${at + 1}` };
    } else {
      const next = line.indexOf(delimiter, at);
      const end = next < 0 ? line.length : next;
      const text = line.slice(at, end);
      const quote = text.indexOf('"');
      if (quote >= 0) return { error: `a quote inside an unquoted field at character ${at + quote + 1}` };
      cells.push(text);
      at = end;
    }
    if (at >= line.length) return { cells };
    at++;
  }
}

function quotedCell(line: string, open: number): { readonly text: string; readonly end: number } | undefined {
  let at = open + 1;
  for (;;) {
    const quote = line.indexOf('"', at);
    if (quote < 0) return undefined;
    if (line[quote + 1] !== '"') return { text: line.slice(open + 1, quote).replaceAll('""', '"'), end: quote + 1 };
    at = quote + 2;
  }
}
