/**
 * Turns the proofs of this process off, to measure what they cost: a preload (`node --import`) that puts another module in the place of each that only
 * proves. What is left makes the same records, keys and drops from the same bytes; no effect, record or entry is hashed, no leaf is made, no tree is
 * grown. The program itself has no such switch: an output without its proof is against its laws.
 */
import { existsSync } from 'node:fs';
import { registerHooks } from 'node:module';

const ENGINE = new URL('../../../engine/', import.meta.url);
/** Each is replaced by the file of the same name in `off/`. */
const REPLACED = [
  'proof/effect.ts',
  'proof/frame.ts',
  'datavm/changed-values.ts',
  'datavm/frame-builder.ts',
  'datavm/leaf-chain.ts',
  'datavm/source-commitment.ts',
];

const replacements = new Map(
  REPLACED.map((file) => [new URL(file, ENGINE).href, new URL(`off/${file.split('/')[1]}`, import.meta.url).href]),
);

for (const file of replacements.keys()) if (!existsSync(new URL(file))) throw new Error(`${file} is not there: what proves has moved`);

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    const replacement = replacements.get(found.url);
    // A replacement hands on what it leaves as it is.
    return replacement === undefined || context.parentURL === replacement ? found : { ...found, url: replacement };
  },
});
