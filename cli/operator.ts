/** Who asks something of a run, as others will read it in its log. */
import { hostname, userInfo } from 'node:os';

/** USER@HOST. */
export function operatorName(): string {
  return `${userName()}@${hostname()}`;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run under a number that has no name.
    return 'operator';
  }
}
