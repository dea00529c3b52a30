/** Suggests existing names for one that was not found (law 10). */

const SUGGESTIONS = 3;

/** A sentence that names the nearest of the existing names. */
export function nearNames(wanted: string, existing: readonly string[]): string {
  if (existing.length === 0) return 'The log is empty: run or deploy a workflow first.';
  const nearest = existing
    .map((name) => ({ name, distance: editDistance(wanted, name) }))
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, SUGGESTIONS);
  return `The nearest of its ${existing.length} topics: ${nearest.map(({ name }) => name).join(', ')}.`;
}

/** Levenshtein distance, by the usual one-row dynamic programme; names are at most 200 characters. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
