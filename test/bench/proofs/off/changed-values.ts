/** What an op changed is applied, and not written down. */
const NO_VALUES = new Uint8Array(0);

export function changedValues(): Uint8Array {
  return NO_VALUES;
}
