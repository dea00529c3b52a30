/**
 * A suite that needs an outside part. Where the part can't be had the suite is skipped with the reason, printed and counted; named in MIZU_REQUIRE, it
 * fails instead.
 */
import { get } from 'node:http';
import { describe, expect, inject, test } from 'vitest';

/** Fetching broker and registry is done before; a start on a loaded machine took 12 s. */
export const PART_START_LIMIT_MS = 180_000;

/** As `FIND` in shared-parts.ts. */
type PartName = 'kafka' | 'own-kafka' | 'registry';

/** Asks the process of the run. No time limit: the first fetch of a part takes as long as the network takes. */
export function askForPart(verb: 'find' | 'start', part: PartName): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const request = get(`${inject('sharedParts')}/${verb}/${part}`, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk;
      });
      response.once('end', () => resolve(JSON.parse(text)));
    });
    request.once('error', reject);
  });
}

/** Calls `body` inside a suite `name` if `part` can be had. `required` is the part's name in MIZU_REQUIRE. */
export function describePart(name: string, part: PartName, required: 'kafka' | 'registry', body: () => void): void {
  describe(name, async () => {
    const { missing } = await askForPart('find', part);
    if (missing === undefined) return body();
    const why = String(missing).replace(/[()\n]+/g, ' ');
    if ((process.env.MIZU_REQUIRE ?? '').split(',').includes(required)) {
      test(`${required} is required`, () => expect.fail(`MIZU_REQUIRE asks for ${required}, but ${why}`));
      return;
    }
    process.stderr.write(`SKIPPED ${name}: ${why}\n`);
    describe.skip(`needs ${required} (skipped: ${why})`, () => {
      test('never runs', () => expect.fail('never runs'));
    });
  });
}
