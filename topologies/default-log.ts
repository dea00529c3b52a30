/** Used when neither `--log` nor MIZU_LOG is given. */
export const DEFAULT_LOG = './.mizu';
