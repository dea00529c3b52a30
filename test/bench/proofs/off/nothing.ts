/** What stands where a digest would. */
export const NO_DIGEST: Uint8Array = new Uint8Array(32);
