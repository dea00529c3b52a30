/**
 * The nearest of some names to a mistyped one, for hints (law 10). Distance: optimal string alignment (Damerau–Levenshtein
 * without overlapping swaps) over lower-cased UTF-16 units, because people type `lenght` and `Select`.
 */

/** Names longer than this are not compared: the cost is quadratic. */
const WORD_LIMIT = 64;
/** One typing error is forgiven per this many characters, and one in any case. */
const CHARACTERS_PER_ERROR = 3;

export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, (before[j - 2] ?? 0) + 1);
      row.push(best);
    }
    before = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** The nearest name; undefined when none is near. The first of equally near ones wins. */
export function nearestName(word: string, among: readonly string[]): string | undefined {
  const wanted = word.toLowerCase();
  if (wanted === '' || wanted.length > WORD_LIMIT) return undefined;
  let best: { name: string; distance: number } | undefined;
  for (const name of among) {
    if (name === word || name.length > WORD_LIMIT) continue;
    const distance = distanceOf(wanted, name.toLowerCase());
    if (distance !== undefined && (best === undefined || distance < best.distance)) best = { name, distance };
  }
  return best?.name;
}

function distanceOf(wanted: string, name: string): number | undefined {
  const distance = editDistance(wanted, name);
  const allowed = Math.max(1, Math.floor(Math.max(wanted.length, name.length) / CHARACTERS_PER_ERROR));
  if (distance <= allowed && distance < Math.max(wanted.length, name.length)) return distance;
  const shorter = Math.min(wanted.length, name.length);
  return shorter >= CHARACTERS_PER_ERROR && (name.startsWith(wanted) || wanted.startsWith(name)) ? allowed + 1 : undefined;
}

/** A hint as a sentence: `did you mean 'length'?`. */
export function nearest(word: string, among: readonly string[]): string | undefined {
  const name = nearestName(word, among);
  return name === undefined ? undefined : `did you mean '${name}'?`;
}

/** Longest list of names that a hint spells out. */
const NAMES_SHOWN = 12;

/** The nearest name, or else what there is to choose from. */
export function nearestOrAll(word: string, among: readonly string[], what: string): string {
  const near = nearest(word, among);
  if (near !== undefined) return near;
  if (among.length === 0) return `there are no ${what}`;
  const more = among.length > NAMES_SHOWN ? `, and ${among.length - NAMES_SHOWN} more` : '';
  return `${what}: ${among.slice(0, NAMES_SHOWN).join(', ')}${more}`;
}
