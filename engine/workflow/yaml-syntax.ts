/** What the YAML parser objects to, in words for whoever wrote the file (law 10). */
import type { YAMLError } from 'yaml';
import { shorten } from './place.ts';

/** Most syntax errors reported of one file: the later ones mostly follow from the first. */
const SYNTAX_ERRORS_SHOWN = 10;
/** Longest text of the parser shown, characters. */
const PARSER_TEXT_SHOWN = 160;

/** What to do about nesting that no one can follow. */
export const FLATTER = 'write it flatter, or close the brackets that are open';

export interface SyntaxFault {
  /** Offset in the text, UTF-16 units. */
  readonly at: number;
  readonly message: string;
  readonly expected?: string;
  readonly hint: string;
}

/** @param levels the deepest nesting allowed. @returns not all of them: where the nesting went beyond what the parser can follow, everything else is an echo of that. */
export function syntaxFaults(errors: readonly YAMLError[], levels: number): readonly SyntaxFault[] {
  const tooDeep = errors.find((error) => error.code === 'RESOURCE_EXHAUSTION');
  if (tooDeep !== undefined)
    return [{ at: tooDeep.pos[0], message: 'Nested too deep', expected: `at most ${levels} levels`, hint: FLATTER }];
  return errors.slice(0, SYNTAX_ERRORS_SHOWN).map(faultOf);
}

function faultOf(error: YAMLError): SyntaxFault {
  const at = error.pos[0];
  switch (error.code) {
    case 'MULTIPLE_DOCS':
      return {
        at,
        message: 'The file holds more than one YAML document',
        expected: 'one document',
        hint: "keep one, and remove the line '---' and what stands on the other side of it",
      };
    case 'TAB_AS_INDENT':
      return {
        at,
        message: 'Not YAML: Tabs are not allowed as indentation',
        expected: 'spaces',
        hint: 'put spaces in the place of the tabs',
      };
    default:
      return {
        at,
        message: `Not YAML: ${shorten(error.message, PARSER_TEXT_SHOWN)}`,
        hint: 'check indentation, brackets and quotes here and in the line before',
      };
  }
}
