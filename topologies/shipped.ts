/** The workflows that come with Mizu, by the path of their file. */
import { fileURLToPath } from 'node:url';

export const FALLING_STACKS = fileURLToPath(new URL('./falling-stacks/workflow.yaml', import.meta.url));
