/** Where a step's draws come from, said once for all steps that draw. */
import { z } from 'zod';

export const randomParam = z
  .enum(['hash', 'vrf'])
  .default('hash')
  .describe(
    'Where randomness comes from. `hash`: HMAC-SHA-256 of the workflow seed, the step id and the candidate. `vrf`: the output of a verifiable random function (RFC 9381) under the key of the gateway, one proof for each task, takes the place of the seed.',
  );
