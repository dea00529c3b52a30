/** The code of anything thrown; what carries none is a defect. */
import { MizuError } from '#engine';

export function errorCode(error: unknown): string {
  return error instanceof MizuError ? error.code : 'INTERNAL';
}
