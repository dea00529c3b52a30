/** Mizu needs Node APIs that older versions lack; this file and `main.ts` use none of them, so that they can say so. */

/** Since 22.16 `node:sqlite` needs no flag and takes what the log gives it, and `node:zlib` knows zstd (22.15). Also in `engines` of package.json. */
export const OLDEST_NODE = '22.16.0';

/** @param version as `process.versions.node`. @returns what to tell the user; undefined for a version that will do. */
export function nodeProblem(version: string): string | undefined {
  const [least = [], given = []] = [OLDEST_NODE, version].map((text) => text.split('.').map(Number));
  const differs = least.findIndex((part, at) => part !== given[at]);
  if (differs < 0 || (given[differs] ?? 0) > (least[differs] ?? 0)) return undefined;
  return `Mizu needs Node ${OLDEST_NODE} or newer, and this is Node ${version}.\n  Install a newer one (nodejs.org), or take it from npm for one call: npx -p node@24 -p mizu mizu --help`;
}
